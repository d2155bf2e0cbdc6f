"""The text of a Lua script: what it needs of the shared definitions, and the ledger's settings.

Redis runs a script from its first line at every call, so each definition that a script does not use
costs time at every call. Settings are literals in the text, and not an argument to decode.
"""

import json
import re
from collections.abc import Mapping

_DEFINITION = re.compile(
    r"^(?:local function (?P<local>\w+)|function (?P<declared>\w+)|local (?P<names>[\w, ]+))",
    re.MULTILINE,
)
_NAME = re.compile(r"[A-Za-z_]\w*")
_SETTING = re.compile(r"\bsettings\.(\w+)")
_COMMENT = re.compile(r"--.*")


def script_text(shared: str, body: str, *, settings: Mapping[str, object]) -> str:
    """Return a script: its flags, `settings`, the definitions of `shared` that it uses, its body.

    The first line of `body` has the flags. A definition in `shared` begins at the start of a line.
    """
    flags, _, body = body.partition("\n")
    text = "\n".join([*_used_definitions(shared, body), body])
    used = {name: settings[name] for name in sorted(set(_SETTING.findall(text)))}
    return f"{flags}\nlocal settings = {lua_literal(used)}\n{text}"


def lua_literal(value: object) -> str:
    """Return a Lua expression for a number, a string, a list, or a mapping with string keys."""
    if isinstance(value, Mapping):
        fields = (f"[{lua_literal(name)}] = {lua_literal(each)}" for name, each in value.items())
        return f"{{ {', '.join(fields)} }}"
    if isinstance(value, list | tuple):
        return f"{{ {', '.join(map(lua_literal, value))} }}"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"no Lua literal for {value!r}")
    return json.dumps(value, ensure_ascii=False)


def _used_definitions(shared: str, body: str) -> list[str]:
    """Return the definitions that `body` needs, directly or through others, in their order."""
    starts = list(_DEFINITION.finditer(shared))
    ends = [*(start.start() for start in starts[1:]), len(shared)]
    definitions = []
    for start, end in zip(starts, ends, strict=False):
        text = shared[start.start() : end]
        definitions.append((_names(start[0]), text))
    used, known = _names(body), -1
    while len(used) != known:
        known = len(used)
        for defined, text in definitions:
            if defined & used:
                used |= _names(text)
    return [text for defined, text in definitions if defined & used]


def _names(text: str) -> set[str]:
    return set(_NAME.findall(_COMMENT.sub("", text))) - {"local", "function"}
