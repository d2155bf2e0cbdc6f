"""The files of the inspector: their size, their lines and how modules are joined."""

import gzip
import re
from pathlib import Path

import pytest

from seewhy.samples import SAMPLES
from seewhy.viewer.assets import SCRIPT
from seewhy_api.inspector import assets
from seewhy_api.inspector.assets import (
    INDEX,
    NAMES,
    SCRIPTS,
    STATUS,
    STYLES,
    read_asset,
    read_page,
)

BUDGET_BYTES = 39_900
STATUS_BUDGET_BYTES = 12_900
OTHER_PAGES = ("pages.css", "status.css", "status.js")
"""Files that the inspector does not load."""
SET_BY_SCRIPTS = {"--score", "--share"}
STATIC = Path(assets.__file__).parent / "static"
MODULES = sorted(STATIC.glob("*.js"))


def test_the_page_and_its_files_are_small() -> None:
    served = {name: read_asset(name).body for name in NAMES if name not in {*SAMPLES, *OTHER_PAGES}}
    served["index.html"] = read_page().body
    sizes = {name: len(gzip.compress(body, 9, mtime=0)) for name, body in served.items()}
    assert sum(sizes.values()) <= BUDGET_BYTES, sizes


def test_the_page_of_the_status_and_all_that_it_loads_are_small() -> None:
    page = read_page(STATUS)
    names = re.findall(r'="inspector/[^"]*/([^"/]+)"', page.body.decode())
    assert {"app.css", "status.css", "status.js"} <= set(names)
    loaded = [page, *map(read_asset, names)]
    sizes = [len(gzip.compress(each.body, 9, mtime=0)) for each in loaded]
    assert sum(sizes) <= STATUS_BUDGET_BYTES, sizes


@pytest.mark.parametrize("page", [INDEX, STATUS])
def test_a_page_loads_the_style_sheets_that_define_its_colors(page: str) -> None:
    names = re.findall(r'rel="stylesheet" href="[^"]*/([^"/]+)"', read_page(page).body.decode())
    styles = "".join(read_asset(name).body.decode() for name in names)
    used = set(re.findall(r"var\((--[\w-]+)\)", styles))
    defined = set(re.findall(r"(--[\w-]+):", styles))
    assert "--accent" in used
    assert used - defined - SET_BY_SCRIPTS == set()


def test_every_module_is_joined_to_one_script() -> None:
    joined = {module for modules in SCRIPTS.values() for module in modules}
    assert joined == {SCRIPT, "elements.js", *(path.name for path in MODULES)}


def test_every_style_sheet_is_served() -> None:
    served = {part for name in NAMES for part in STYLES.get(name, (name,))}
    assert {path.name for path in STATIC.glob("*.css")} <= served


@pytest.mark.parametrize(
    "path", [*MODULES, *sorted(STATIC.glob("*.css"))], ids=lambda path: path.name
)
def test_no_file_exceeds_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_photo_is_small(name: str) -> None:
    assert len(read_asset(name).body) <= 60_000
