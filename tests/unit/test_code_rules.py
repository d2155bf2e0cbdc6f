"""The house rules that a linter does not know: sizes, names and cycles."""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("core/seewhy", "api/seewhy_api", "worker/seewhy_worker", "models/seewhy_models")
READS_ENVIRONMENT = {
    ROOT / "core/seewhy/settings.py",
    # Child processes inherit the user's environment, with our settings laid over it.
    ROOT / "core/seewhy/embedded/environment.py",
}
VAGUE_NAMES = {"utils", "util", "helpers", "common", "manager", "base", "misc"}


class Function(NamedTuple):
    """Where a function stands, and how many lines it takes."""

    place: str
    lines: int


def sources() -> list[Path]:
    """Return the Python files of the four packages."""
    return sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def length(file: Path) -> int:
    return len(file.read_text().splitlines())


def functions(files: Iterable[Path]) -> Iterator[Function]:
    """Measure every function, from its `def` to its last line."""
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                yield Function(f"{file.name}:{node.lineno} {node.name}", lines)


def environment_readers(files: Iterable[Path]) -> set[Path]:
    """Find the files that name os.environ or getenv, however they were imported."""
    words = {"environ", "environb", "getenv", "getenvb"}
    return {
        file
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in words)
        or (isinstance(node, ast.ImportFrom) and words & {alias.name for alias in node.names})
    }


def circular(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """Find the imports that lie on a cycle."""
    return {
        (importer, imported)
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if graph.chain_exists(importer=imported, imported=importer)
    }


def leaks(text: str) -> list[str]:
    """Find paths of one machine and addresses of package registries."""
    own = rf"{re.escape(str(ROOT))}(?=[/\s\"'`]|$)"
    homes = r"(?<![\w.~-])/(?:home|Users|root)/\w+"
    registries = r"(?:files\.)?python" + r"hosted\.org|pypi\.(?:org|python)|registry\.npmjs"
    return re.findall(rf"{own}|{homes}|{registries}", text, re.MULTILINE)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    packages = [Path(package).name for package in PACKAGES]
    return grimp.build_graph(*packages, cache_dir=None)


def test_no_file_is_longer_than_300_lines_and_half_are_within_100() -> None:
    lengths = {str(file.relative_to(ROOT)): length(file) for file in sources()}
    assert {place: lines for place, lines in lengths.items() if lines > 300} == {}
    assert statistics.median(lengths.values()) <= 100


def test_no_function_is_longer_than_60_lines_and_19_of_20_are_within_40() -> None:
    measured = list(functions(sources()))
    assert [function for function in measured if function.lines > 60] == []
    assert statistics.quantiles((function.lines for function in measured), n=20)[-1] <= 40


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {part for file in sources() for part in file.relative_to(ROOT).with_suffix("").parts}
    assert names & VAGUE_NAMES == set()


def test_only_the_settings_read_the_environment() -> None:
    assert environment_readers(sources()) <= READS_ENVIRONMENT


def test_no_import_runs_in_a_circle(graph: grimp.ImportGraph) -> None:
    assert circular(graph) == set()


def test_importing_all_of_core_loads_no_web_framework_and_no_tensor_library() -> None:
    script = (
        "import importlib, pkgutil, sys, seewhy\n"
        "for module in pkgutil.walk_packages(seewhy.__path__, 'seewhy.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(run.stdout.split())
    assert "seewhy" in loaded
    assert loaded & {"flask", "werkzeug", "gunicorn", "keras", "tensorflow"} == set()


def test_nothing_tracked_names_a_machine_or_a_package_registry() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("a source distribution has no list of tracked files")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    named = {}
    for file in files:
        try:
            named[file.name] = leaks(file.read_text())
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    assert named
    assert {name: found for name, found in named.items() if found} == {}


def test_each_guard_bites(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("from os import getenv\n\ndef long() -> None:\n" + "    x = 1\n" * 60)
    assert [function.lines for function in functions([planted])] == [61]
    assert environment_readers([planted]) == {planted}
    planted.write_text("import os\n\nHOME = os.environ['HOME']\n")
    assert environment_readers([planted]) == {planted}
    assert leaks(f"see {ROOT}/notes") == [str(ROOT)]
    assert leaks("cd /home/" + "me/src") == ["/home/" + "me"]
    assert leaks("https://py" + "pi.org/simple") == ["pypi." + "org"]

    graph = grimp.ImportGraph()
    for importer, imported in [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]:
        graph.add_import(importer=importer, imported=imported)
    assert circular(graph) == {("a", "b"), ("b", "c"), ("c", "a")}
