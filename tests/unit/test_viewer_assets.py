"""The viewer's files are read from the package, joined and shortened."""

import base64
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from seewhy.imaging.rendering.colormaps import color_table
from seewhy.viewer.assets import ASSETS, SCRIPT, STYLE, read_asset
from seewhy.viewer.constants import VIEWER_COLORMAPS, constants_script
from seewhy.viewer.source_text import (
    is_space,
    join_modules,
    script_tokens,
    shorten_script,
    shorten_style,
)

ROOT = Path(__file__).parents[2]
BUDGET_BYTES = 12_300
"""The compressed size of the viewer, of the 30 kB of a page."""


def test_the_viewer_stays_within_its_budget() -> None:
    assert sum(len(gzip.compress(read_asset(name))) for name in ASSETS) <= BUDGET_BYTES


def test_only_known_files_are_read() -> None:
    with pytest.raises(KeyError):
        read_asset("../assets.py")


def test_the_script_exports_what_pages_use_and_imports_nothing() -> None:
    script = read_asset(SCRIPT).decode()
    assert not re.search(r"^import\b", script, re.MULTILINE)
    exported = re.findall(r"\w+", script[script.rindex("export{") :])
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
    source = (
        '/** About f. */\nfunction f() {\n  // Why.\n  return "// not /* one */";  // And.\n}\n\n'
    )
    assert shorten_script(source) == 'function f(){return"// not /* one */"}\n'
    assert "/*" not in read_asset(SCRIPT).decode()
    assert "/*" not in read_asset(STYLE).decode()


@pytest.mark.parametrize(
    ("source", "shortened"),
    [
        ("a = 1\nb = 2\n", "a=1\nb=2\n"),
        ("let a = b\n(c)", "let a=b\n(c)\n"),
        ("a++\nb", "a++\nb\n"),
        ("a + +b - -c", "a+ +b- -c\n"),
        ("return x / y / z", "return x/y/z\n"),
        ("return /a b\\/[/ ]/g.test(x)", "return/a b\\/[/ ]/g.test(x)\n"),
        ("const t = `a  ${ b  + `c  ${d}` }  // e`;", "let t=`a  ${ b  + `c  ${d}` }  // e`;\n"),
        ("a // b\nc", "a\nc\n"),
        ("in  of /* x */ out", "in of out\n"),
        ("x = 1 .toFixed()", "x=1 .toFixed()\n"),
        ("if (a) {\n  b;\n}\nelse {\n  c;\n}", "if(a){b}\nelse{c}\n"),
        ("f(\n  ...a,\n  b,\n)", "f(...a,b)\n"),
        ("[a, , ]; [, b]; [,]; {c, d,}", "[a,,];[,b];[,];{c,d}\n"),
        ("class A {\n  #b = 'c  d';\n  get e() {}\n}", "class A{#a='c  d';get e(){}}\n"),
        ("return true", "return!0\n"),
        ("#one = `#two ${this.#two}`; #two = this.#two;", "#b=`#two ${this.#a}`;#a=this.#a;\n"),
    ],
)
def test_spaces_that_mean_something_stay(source: str, shortened: str) -> None:
    assert shorten_script(source) == shortened


def test_a_shortened_script_has_the_same_tokens_but_for_ends_and_names() -> None:
    for file in sorted(ROOT.glob("*/seewhy*/*/static/*.js")):
        source = file.read_text()
        assert "".join(script_tokens(source)) == source
        assert _meant(shorten_script(source)) == _meant(source)


def _meant(source: str) -> str:
    """Return the tokens that mean something, without what ends statements and lists.

    Private names are numbered in their order.
    """
    numbers: dict[str, str] = {}
    words = {"const": "let", "true": "! 0", "false": "! 1"}
    parts = [part for part in script_tokens(source) if not is_space(part) and part != ";"]
    return " ".join(
        re.sub(
            r"(?:^|(?<=\.))#\w+",
            lambda found: numbers.setdefault(found[0], f"#{len(numbers)}"),
            words.get(part, part),
        )
        for part, after in zip(parts, [*parts[1:], ""], strict=True)
        if part != "," or after not in {")", "]", "}"}
    )


def test_styles_are_shortened() -> None:
    source = "/* a */\nb:has(.c) > d,\ne {\n  f: calc(1px + 2px) g;\n  h: i;\n}\n"
    assert shorten_style(source) == "b:has(.c) > d,e{f:calc(1px + 2px) g;h:i}\n"


def test_modules_are_joined_without_their_imports() -> None:
    first = "export const A = 1;\nconst own = 2;\n"
    second = 'import {\n  A,\n} from "./first.js";\nexport function f() {\n  return A;\n}\n'
    joined = join_modules((first, second))
    assert joined == (
        "const A = 1;\nconst own = 2;\nfunction f() {\n  return A;\n}\nexport { A, f };\n"
    )


def test_an_import_that_no_module_declares_is_refused() -> None:
    with pytest.raises(ValueError, match="no module declares B"):
        join_modules(("export const A = 1;\n", 'import { A, B } from "./a.js";\n'))


def test_modules_that_declare_the_same_name_are_refused() -> None:
    with pytest.raises(ValueError, match="own; rename one"):
        join_modules(("const own = 1;\n", "function own() {}\n"))


def test_color_tables_take_less_space_than_in_base64() -> None:
    tables = b"".join(color_table(name).tobytes() for name in VIEWER_COLORMAPS)
    encoded = gzip.compress(base64.b64encode(tables))
    assert len(gzip.compress(constants_script().encode())) < len(encoded) / 4


@pytest.mark.parametrize("name", VIEWER_COLORMAPS)
def test_colors_between_the_known_ones_differ_by_at_most_one_level(name: str) -> None:
    line = constants_script().splitlines()[0]
    digits = json.loads(line[line.index("{") : -1])[name]
    known = np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, 4).astype(float)
    steps = np.arange(256)
    table = np.stack([np.interp(steps, known[:, 0], part) for part in known.T[1:]], axis=-1)
    assert np.abs(table - color_table(name)).max() <= 1.5
