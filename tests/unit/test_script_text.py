"""The text of a Lua script: the definitions and settings that it uses, and no others."""

import pytest

from seewhy.ledger.redis.client.script_text import lua_literal, script_text

SHARED = """\
-- A comment that names unused.
local A, B = 'a', 'b'
local function unused() return B2 end
local later  -- defined below
local function first(x)
  return later(x) + settings.one
end

local function key() return A end
function later(x)
  return key() .. settings.two
end
local counter = 0
"""


def test_a_script_has_the_definitions_that_it_needs_in_their_order() -> None:
    text = script_text(
        SHARED, "#!lua\nreturn first(1)", settings={"one": 1, "two": "2", "three": 3}
    )
    lines = text.splitlines()
    assert lines[:2] == ["#!lua", 'local settings = { ["one"] = 1, ["two"] = "2" }']
    order = [text.index(part) for part in ("local A, B", "local later", "first(x)", "key()")]
    assert order == sorted(order)
    assert text.index("local function key") < text.index("function later(x)")
    assert text.endswith("return first(1)")
    assert "unused" not in text
    assert "counter" not in text


def test_a_script_that_needs_nothing_is_its_body() -> None:
    text = script_text(SHARED, "#!lua flags=no-writes\nreturn 1", settings={"one": 1})
    assert text == "#!lua flags=no-writes\nlocal settings = {  }\nreturn 1"


def test_a_setting_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError, match="four"):
        script_text("", "#!lua\nreturn settings.four", settings={"one": 1})


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (5, "5"),
        (0.5, "0.5"),
        ("a 'b' \"c\" \\ é", '"a \'b\' \\"c\\" \\\\ é"'),
        ([1, 2], "{ 1, 2 }"),
        ({"a b": ("x",)}, '{ ["a b"] = { "x" } }'),
    ],
)
def test_values_become_lua_literals(value: object, literal: str) -> None:
    assert lua_literal(value) == literal


@pytest.mark.parametrize("value", [None, True, object()])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no Lua literal"):
        lua_literal(value)
