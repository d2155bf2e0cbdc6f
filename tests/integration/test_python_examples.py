"""The Python examples run: docs/python.md, the notebook, and the examples in docstrings.

The cells of the notebook run in this process, without a kernel: one takes five seconds of CPU time
and twenty packages. What a cell shows is what its last expression returns.
"""

import ast
import builtins
import contextlib
import doctest
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image as PillowImage

import seewhy.client
from seewhy.client import AsyncClient
from servers.process_cluster import running_api
from servers.valkey import RedisServer

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "explanations.ipynb"
DEFAULT_URL = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def url(valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_api(valkey, tmp_path_factory.mktemp("examples")) as cluster:
        cluster.start_stub_worker()
        yield cluster.url


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which has the photos where the examples expect them."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "photos").symlink_to(ROOT / "examples" / "photos")
    (tmp_path / "cat.jpg").symlink_to(ROOT / "examples" / "photos" / "cat.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(code: str, names: dict[str, Any], url: str) -> Any:
    """Run code as a cell; return the value of its last line if that is an expression."""
    tree = ast.parse(code.replace(DEFAULT_URL, url))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<example>", "exec"), names)  # noqa: S102  (our own examples)
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), "<example>", "eval"), names)  # noqa: S307


def test_the_examples_of_the_page_run_in_order(url: str, folder: Path) -> None:
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, Any] = {"__builtins__": builtins}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            run(block, names, url)
    lines = printed.getvalue().splitlines()
    assert "2 of 2" in lines
    assert len(names["latest"]) >= len(names["photos"])
    assert "1 second succeeded None" in lines
    assert sum(line.endswith(".jpg True") for line in lines) == 5
    saved = {path.name for path in folder.iterdir() if path.is_file() and not path.is_symlink()}
    assert saved == {
        "cat.seewhy.jpg", "cat.seewhy.html", "second.webp", "first.seewhy.jpg", "overlays.zip",
        "run.ndjson",
    }  # fmt: skip


def test_the_page_names_every_error() -> None:
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    errors = {
        name
        for name, value in vars(seewhy.client).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert errors
    assert {name for name in errors if f"`{name}`" not in page} == set()


def test_the_notebook_runs_and_shows_overlays(url: str, folder: Path) -> None:
    notebook: Any = nbformat.reads(NOTEBOOK.read_text("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    names: dict[str, Any] = {"__builtins__": builtins}
    shown: list[Any] = []
    displayed: list[str] = []
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in code:
            value = run(cell.source, names, url)
            shown.append(value)
            displayed.append(value._repr_html_() if hasattr(value, "_repr_html_") else "")
    first, best = (one for one in shown if isinstance(one, seewhy.client.Explanation))
    assert best.id != first.id
    assert sum('src="data:image/jpeg;base64,/9j/' in html for html in displayed) == 2
    assert sum("<table border" in html for html in displayed) == 1
    (drawing,) = (one for one in shown if isinstance(one, PillowImage.Image))
    assert max(drawing.size) == 400
    assert len(names["table"]) == 10
    assert (folder / "cat.seewhy.jpg").is_file()


@pytest.mark.parametrize("documented", [seewhy.client, AsyncClient])
def test_the_examples_of_the_docstrings_run(documented: Any, url: str, folder: Path) -> None:
    text = documented.__doc__.replace(DEFAULT_URL, url)
    test = doctest.DocTestParser().get_doctest(text, {}, documented.__name__, None, None)
    assert len(test.examples) >= 2
    report = io.StringIO()
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.write)
    assert results.failed == 0, report.getvalue()
    assert (folder / "cat.seewhy.jpg").is_file()
