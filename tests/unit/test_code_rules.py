"""Code rules that linters do not cover: sizes, names, words, cycles and leaks."""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "core/seewhy",
    "api/seewhy_api",
    "worker/seewhy_worker",
    "models/seewhy_models",
    "loadtest/seewhy_loadtest",
)
READS_ENVIRONMENT = {
    ROOT / "core/seewhy/settings/settings.py",
    # Child processes inherit the user's environment and override the settings in it.
    ROOT / "core/seewhy/embedded/environment.py",
    # CUDA takes its devices from the environment, not from an argument.
    ROOT / "core/seewhy/devices.py",
}
VAGUE_NAMES = {"utils", "util", "helpers", "common", "manager", "base", "misc"}
RETIRED_WORDS = {
    "bell",
    "bells",
    "blows",
    "buried",
    "catalogue",
    "colour",
    "courier",
    "couriers",
    "doom",
    "doomed",
    "ears",
    "garrulous",
    "heir",
    "heirs",
    "hint",
    "hints",
    "mourn",
    "mourned",
    "mourns",
    "picture",
    "pictures",
    "postman",
    "promise",
    "promised",
    "promises",
    "rung",
    "strike",
    "teller",
    "tellers",
    "tellings",
    "townsfolk",
    "twin",
    "twins",
    "unfiled",
    "whoever",
}
"""Names of an earlier vocabulary; docs/glossary.md lists the current one."""
MAY_HOLD_RETIRED_WORDS = {
    "CHANGELOG.md",
    "models/seewhy_models/imagenet-1k.txt",
    "tests/unit/test_code_rules.py",
    "worker/seewhy_worker/openvino_backend/compiled_model.py",  # names of settings of OpenVINO
}


class Function(NamedTuple):
    """The location of a function and its length."""

    location: str
    lines: int


def sources() -> list[Path]:
    """Return the Python files of the four packages."""
    return sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def line_count(file: Path) -> int:
    """Count the lines of a file."""
    return len(file.read_text().splitlines())


def functions(files: Iterable[Path]) -> Iterator[Function]:
    """Yield every function, measured from `def` to its last line."""
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                yield Function(f"{file.name}:{node.lineno} {node.name}", lines)


def environment_readers(files: Iterable[Path]) -> set[Path]:
    """Return the files that use os.environ or getenv, under any import."""
    words = {"environ", "environb", "getenv", "getenvb"}
    return {
        file
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in words)
        or (isinstance(node, ast.ImportFrom) and words & {alias.name for alias in node.names})
    }


def circular(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """Return the imports that lie on a cycle."""
    return {
        (importer, imported)
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if graph.chain_exists(importer=imported, imported=importer)
    }


def folders(graph: grimp.ImportGraph) -> grimp.ImportGraph:
    """Return the graph of the folders: one imports another where their modules do."""

    def folder(module: str) -> str:
        return module if graph.find_children(module) else module.rpartition(".")[0] or module

    between_folders = grimp.ImportGraph()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            if folder(importer) != folder(imported):
                between_folders.add_import(importer=folder(importer), imported=folder(imported))
    return between_folders


def leaks(text: str) -> list[str]:
    """Return paths of a machine and addresses of package registries in a text."""
    own = rf"{re.escape(str(ROOT))}(?=[/\s\"'`]|$)"
    homes = r"(?<![\w.~-])/(?:home|Users|root)/\w+"
    registries = r"(?:files\.)?python" + r"hosted\.org|pypi\.(?:org|python)|registry\.npmjs"
    return re.findall(rf"{own}|{homes}|{registries}", text, re.MULTILINE)


def retired_words(text: str) -> set[str]:
    """Return the retired words in prose and in identifiers of any case style.

    `Promise` is a class of JavaScript.
    """
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", re.sub(r"\bPromise\b", "", text))
    return {word.lower() for word in words} & RETIRED_WORDS


def repository_texts() -> dict[str, str]:
    """Return path → text of every text file that Git tracks or would add."""
    if not (ROOT / ".git").exists():
        pytest.skip("a source distribution has no list of tracked files")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    texts = {}
    for name in filter(None, listed.stdout.split("\0")):
        with suppress(UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            texts[name] = (ROOT / name).read_text("utf-8")
    return texts


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    packages = [Path(package).name for package in PACKAGES]
    return grimp.build_graph(*packages, cache_dir=None)


def test_no_file_exceeds_300_lines_and_the_median_is_at_most_100() -> None:
    lengths = {str(file.relative_to(ROOT)): line_count(file) for file in sources()}
    assert statistics.median(lengths.values()) <= 100
    for file in (ROOT / "benchmarks").rglob("*.py"):
        lengths[str(file.relative_to(ROOT))] = line_count(file)
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}


def test_no_function_exceeds_60_lines_and_95_percent_have_at_most_40() -> None:
    measured = list(functions(sources()))
    assert [function for function in measured if function.lines > 60] == []
    assert statistics.quantiles((function.lines for function in measured), n=20)[-1] <= 40


def test_no_module_has_a_vague_name() -> None:
    names = {part for file in sources() for part in file.relative_to(ROOT).with_suffix("").parts}
    assert names & VAGUE_NAMES == set()


def test_only_settings_reads_the_environment() -> None:
    assert environment_readers(sources()) <= READS_ENVIRONMENT


def test_there_are_no_import_cycles(graph: grimp.ImportGraph) -> None:
    assert circular(graph) == set()


def test_no_two_folders_import_each_other(graph: grimp.ImportGraph) -> None:
    assert circular(folders(graph)) == set()


def test_core_imports_no_web_framework_and_no_tensor_library() -> None:
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


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    found = {name: leaks(text) for name, text in repository_texts().items()}
    assert found
    assert {name: leaked for name, leaked in found.items() if leaked} == {}


def test_no_file_uses_a_retired_word() -> None:
    found = {
        name: words
        for name, text in repository_texts().items()
        if name not in MAY_HOLD_RETIRED_WORDS and (words := retired_words(name + text))
    }
    assert found == {}


def test_each_rule_detects_a_planted_violation(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("from os import getenv\n\ndef long() -> None:\n" + "    x = 1\n" * 60)
    assert [function.lines for function in functions([planted])] == [61]
    assert environment_readers([planted]) == {planted}
    planted.write_text("import os\n\nHOME = os.environ['HOME']\n")
    assert environment_readers([planted]) == {planted}
    assert leaks(f"see {ROOT}/notes") == [str(ROOT)]
    assert leaks("cd /home/" + "me/src") == ["/home/" + "me"]
    assert leaks("https://py" + "pi.org/simple") == ["pypi." + "org"]

    word = min(RETIRED_WORDS)
    for text in (word, f"A {word}.", f"start_{word}_2", f"Max{word.title()}Size", word.upper()):
        assert retired_words(text) == {word}, text
    assert retired_words(f"x{word}") == set()

    graph = grimp.ImportGraph()
    for importer, imported in [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]:
        graph.add_import(importer=importer, imported=imported)
    assert circular(graph) == {("a", "b"), ("b", "c"), ("c", "a")}

    graph = grimp.ImportGraph()
    for module in ("a", "a.x", "a.y", "b", "b.z"):
        graph.add_module(module)
    graph.add_import(importer="a.x", imported="b.z")
    assert circular(folders(graph)) == set()
    graph.add_import(importer="b.z", imported="a.y")
    assert circular(folders(graph)) == {("a", "b"), ("b", "a")}
