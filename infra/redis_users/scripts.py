"""Which commands and keys the Lua scripts of the ledger use, read from their text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from seewhy.ledger.types.lanes import KEY_PREFIX

_LUA = resources.files("seewhy.ledger") / "lua"
_COMMENT = re.compile(r"--.*")
_FUNCTION = re.compile(r"^(?:local )?function (\w+)", re.MULTILINE)
_CONSTANTS = re.compile(r"^local ([A-Z_, ]+) = (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Use:
    """What some scripts use."""

    commands: frozenset[str]
    """Names in lower case."""
    keys: frozenset[str]
    """Names, or patterns with a star for the variable end."""


def use_of(paths: Iterable[str]) -> Use:
    """Return what scripts and the shared functions that they may call use.

    A path is that of a file in `lua`, without its ending, or of a folder.
    """
    functions, keys = _shared()
    todo = [text for path in paths for text in _read(path)]
    seen: set[str] = set()
    commands: set[str] = set()
    used: set[str] = set()
    while todo:
        text = todo.pop()
        commands.update(name.lower() for name in re.findall(r"redis\.call\('(\w+)'", text))
        used.update(f"{key}*" for key in re.findall(rf"'({re.escape(KEY_PREFIX)}[^']*)'", text))
        words = set(re.findall(r"\b[A-Za-z_]\w*\b", text))
        used.update(keys[word] for word in words & keys.keys())
        called = words & functions.keys() - seen
        seen |= called
        todo += [functions[name] for name in called]
    return Use(frozenset(commands), frozenset(used))


def all_scripts() -> list[str]:
    """Return the folders of the scripts."""
    return sorted(each.name for each in _LUA.iterdir() if each.name != "shared")


def _shared() -> tuple[dict[str, str], dict[str, str]]:
    """Return the shared functions by name, and the keys that are constants."""
    functions: dict[str, str] = {}
    keys: dict[str, str] = {}
    for text in _read("shared"):
        for part in re.split(rf"(?={_FUNCTION.pattern})", text, flags=re.MULTILINE):
            if match := _FUNCTION.match(part):
                end = re.search(r"^end\b", part, re.MULTILINE)
                functions[match[1]] = part[: end.end()] if end else part
        for match in _CONSTANTS.finditer(text):
            values = re.findall(r"'([^']*)'", match[2])
            pairs = zip(match[1].split(", "), values, strict=False)
            keys |= {name: value for name, value in pairs if value.startswith(KEY_PREFIX)}
    return functions, keys


def _read(path: str) -> list[str]:
    """Return the text of a script, or of all in a folder, without comments."""
    folder = _LUA / path
    files = list(folder.iterdir()) if folder.is_dir() else [_LUA / f"{path}.lua"]
    return [_COMMENT.sub("", file.read_text("utf-8")) for file in files]
