"""The files of the inspector: their size, their lines and how comments are removed."""

import gzip
import re
from pathlib import Path

import pytest

from seewhy_api.inspector import assets
from seewhy_api.inspector.assets import NAMES, read_asset, read_page

BUDGET_BYTES = 30_000
STATIC = Path(assets.__file__).parent / "static"
SCRIPTS = sorted(STATIC.glob("*.js"))


def test_the_page_and_its_files_fit_into_30_kilobytes_of_gzip() -> None:
    served = {name: read_asset(name).body for name in NAMES} | {"index.html": read_page().body}
    sizes = {name: len(gzip.compress(body, 9, mtime=0)) for name, body in served.items()}
    assert sum(sizes.values()) <= BUDGET_BYTES, sizes


def test_no_file_is_left_out() -> None:
    assert {path.name for path in STATIC.iterdir()} >= set(NAMES)
    assert {path.name for path in SCRIPTS} <= set(NAMES)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_exceeds_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_removing_comments_keeps_every_line_of_code(path: Path) -> None:
    lines = [line.strip() for line in path.read_text().splitlines()]
    code = [line for line in lines if line and not re.match(r"//|/\*|\*", line)]
    served = read_asset(path.name).body.decode().splitlines()
    assert [line for line in served if line] == code
    assert not re.search(r"`[^`]*\n[^`]*`", re.sub(r"`[^`\n]*`", "", path.read_text()))
