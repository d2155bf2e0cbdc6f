"""Join and shorten scripts and style sheets without a build step."""

import re
from collections import Counter
from collections.abc import Iterable

_BLOCK_COMMENT = re.compile(r"^[ \t]*/\*.*?\*/[ \t]*\n", re.MULTILINE | re.DOTALL)
_LINE_COMMENT = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{2,}")
_IMPORT = re.compile(r"^import (?:\{[^}]*\} from )?\"\./[^\"]+\";\n", re.MULTILINE)
_DECLARATION = re.compile(r"^(export )?(?:function|class|const|let) (\w+)", re.MULTILINE)


def shorten_script(source: str) -> str:
    """Remove the comments that fill whole lines, indents and blank lines from JavaScript.

    Comments after code stay, because strings can contain their marks. A template literal must not
    span lines.
    """
    return _shorten(_LINE_COMMENT.sub("", _BLOCK_COMMENT.sub("", source)))


def shorten_style(source: str) -> str:
    """Remove the comments that fill whole lines, indents and blank lines from CSS."""
    return _shorten(_BLOCK_COMMENT.sub("", source))


def join_modules(sources: Iterable[str]) -> str:
    """Join modules, each after those that it imports, to one that exports what they export.

    Imports must name what they import, relatively, and exports must be declarations. Raises
    `ValueError` when two modules declare the same name.
    """
    joined = "".join(_IMPORT.sub("", source) for source in sources)
    declared = [(bool(export), name) for export, name in _DECLARATION.findall(joined)]
    twice = [name for name, count in Counter(name for _, name in declared).items() if count > 1]
    if twice:
        raise ValueError(f"two modules declare {', '.join(twice)}; rename one")
    exported = ", ".join(name for is_exported, name in declared if is_exported)
    body = _DECLARATION.sub(lambda found: found[0].removeprefix("export "), joined)
    return f"{body}export {{ {exported} }};\n"


def _shorten(source: str) -> str:
    return _BLANK_LINES.sub("\n", _INDENT.sub("", source)).lstrip("\n")
