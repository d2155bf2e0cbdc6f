"""The viewer's files are read from the package, joined and shortened."""

import base64
import gzip
import json
import re

import numpy as np
import pytest

from seewhy.imaging.rendering.colormaps import color_table
from seewhy.viewer.assets import ASSETS, SCRIPT, STYLE, read_asset
from seewhy.viewer.constants import VIEWER_COLORMAPS, constants_script
from seewhy.viewer.source_text import join_modules, shorten_script, shorten_style

BUDGET_BYTES = 13_500
"""The compressed size of the viewer, of the 30 kB of a page."""


def test_the_viewer_stays_within_its_budget() -> None:
    assert sum(len(gzip.compress(read_asset(name))) for name in ASSETS) <= BUDGET_BYTES


def test_only_known_files_are_read() -> None:
    with pytest.raises(KeyError):
        read_asset("../assets.py")


def test_the_script_exports_what_pages_use_and_imports_nothing() -> None:
    script = read_asset(SCRIPT).decode()
    assert not re.search(r"^import\b", script, re.MULTILINE)
    exported = re.findall(r"\w+", script[script.rindex("export {") :])
    for name in ("decodeNpy", "findRegions", "colorize", "colorScale", "describeMap", "SeewhyMap"):
        assert name in exported


@pytest.mark.parametrize(
    "banned",
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "console.",
     "cssText", "http://127", "bicubic", "imageSmoothing"],
)  # fmt: skip
def test_files_hold_nothing_that_the_policy_or_the_house_refuses(banned: str) -> None:
    for name in ASSETS:
        assert banned not in read_asset(name).decode()


def test_comments_that_fill_lines_are_removed_and_strings_stay() -> None:
    source = '/** About f. */\nfunction f() {\n  // Why.\n  return "// not /* one */";\n}\n\n'
    assert shorten_script(source) == 'function f() {\nreturn "// not /* one */";\n}\n'
    assert shorten_style("/* a */\nb {\n  c: d;\n}\n") == "b {\nc: d;\n}\n"
    assert "/**" not in read_asset(SCRIPT).decode()
    assert "/*" not in read_asset(STYLE).decode()


def test_modules_are_joined_without_their_imports() -> None:
    first = "export const A = 1;\nconst own = 2;\n"
    second = 'import {\n  A,\n} from "./first.js";\nexport function f() {\n  return A;\n}\n'
    joined = join_modules((first, second))
    assert joined == (
        "const A = 1;\nconst own = 2;\nfunction f() {\n  return A;\n}\nexport { A, f };\n"
    )


def test_modules_that_declare_the_same_name_are_refused() -> None:
    with pytest.raises(ValueError, match="own; rename one"):
        join_modules(("const own = 1;\n", "function own() {}\n"))


def test_color_tables_take_less_space_than_in_base64() -> None:
    tables = b"".join(color_table(name).tobytes() for name in VIEWER_COLORMAPS)
    encoded = gzip.compress(base64.b64encode(tables))
    assert len(gzip.compress(constants_script().encode())) < len(encoded) / 2


@pytest.mark.parametrize("name", VIEWER_COLORMAPS)
def test_the_changes_of_a_color_table_give_it_back(name: str) -> None:
    line = constants_script().splitlines()[0]
    steps = json.loads(line[line.index("{") : -1])[name]
    changes = np.array([ord(each) - ord("M") for each in steps["changes"]]).reshape(3, 255)
    table = np.cumsum(np.column_stack([steps["first"], changes]), axis=1).T
    assert np.array_equal(table, color_table(name))
