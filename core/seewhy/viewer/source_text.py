"""Join and shorten scripts and style sheets without a build step."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from string import ascii_lowercase

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|//[^\n]*|/\*(?:(?!\*/).)*\*/)+)
    |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<word>[\w$#]+)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_PATTERN = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
_BEFORE_PATTERN = re.compile(r"(?:^|[({\[,;:?=&|!+*<>~^%-]|\b(?:return|typeof|case|in|of))$")
_NO_BREAK_AFTER = "{;,([:?=&|<>*%~^!"
_NO_BREAK_BEFORE = "})].,;:?=&|<>*%^"
_SHORT_WORDS = {"const": "let", "true": "!0", "false": "!1"}
_BEFORE_GAPS = ("", ",", "[")
"""Before the comma of an empty place in an array, as in `[, a]` and `[a, , ]`."""
_PRIVATE_USE = re.compile(r"(?<=\.)#\w+")
_IMPORT = re.compile(r"^import (?:\{([^}]*)\} from )?\"\./[^\"]+\";\n", re.MULTILINE)
_DECLARATION = re.compile(r"^(export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
_STYLE_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STYLE_MARK = re.compile(r"\s*([{};,])\s*|(?<=:)\s+")


def shorten_script(source: str) -> str:
    """Remove comments, and spaces and marks that mean nothing, from JavaScript.

    A line break stays wherever it could end a statement. Constants become variables, which repeat
    shorter, `true` becomes `!0`, the private names of classes become one or two letters, and the
    comma after the last item of a list goes. No statement may be empty, as in `while (f());`.
    """
    names = _short_private_names(source)
    shortened = ""
    space = ""
    for part in script_tokens(source):
        if is_space(part):
            space += part
            continue
        if part == "}":
            shortened = shortened.removesuffix(";")
        if part in ")]}" and shortened[-2:-1] not in _BEFORE_GAPS:
            shortened = shortened.removesuffix(",")
        word = _SHORT_WORDS.get(part) or names.get(part, part)
        if part.startswith("`"):
            word = _PRIVATE_USE.sub(lambda found: names.get(found[0], found[0]), part)
        shortened += _needed_space(shortened, space, word) + word
        space = ""
    return shortened + "\n"


def script_tokens(source: str) -> Iterator[str]:
    """Divide JavaScript into words, texts, patterns, marks, and the spaces and comments between.

    Raises `ValueError` when a template does not end.
    """
    at, before = 0, ""
    while at < len(source):
        if source[at] == "`":
            token = source[at : _template_end(source, at)]
        elif source.startswith("/", at) and not source.startswith(("//", "/*"), at):
            found = _PATTERN.match(source, at) if _BEFORE_PATTERN.search(before) else None
            token = found[0] if found else "/"
        else:
            found = _TOKEN.match(source, at)
            token = found[0] if found else source[at]
        yield token
        at += len(token)
        if not is_space(token):
            before = token


def is_space(token: str) -> bool:
    """Whether a token of JavaScript means nothing: spaces and comments."""
    start = token.lstrip()
    return not start or start.startswith(("//", "/*"))


def shorten_style(source: str) -> str:
    """Remove comments, and spaces that mean nothing, from CSS without texts that hold marks."""
    bare = _STYLE_COMMENT.sub("", source).strip()
    return _STYLE_MARK.sub(lambda found: found[1] or "", bare).replace(";}", "}") + "\n"


def join_modules(sources: Iterable[str], *, has_exports: bool = True) -> str:
    """Join modules, each after those that it imports, to one that exports what they export.

    Imports must name what they import, relatively, and exports must be declarations. Raises
    `ValueError` when two modules declare the same name, or none declares an imported one.
    """
    imported: set[str] = set()

    def note(found: re.Match[str]) -> str:
        imported.update(re.findall(r"\w+", found[1] or ""))
        return ""

    joined = "".join(_IMPORT.sub(note, source) for source in sources)
    declared = [(bool(export), name) for export, name in _DECLARATION.findall(joined)]
    counted = Counter(name for _, name in declared)
    twice = [name for name, count in counted.items() if count > 1]
    if twice:
        raise ValueError(f"two modules declare {', '.join(twice)}; rename one")
    if unknown := imported - counted.keys():
        raise ValueError(f"no module declares {', '.join(sorted(unknown))}")
    exported = ", ".join(name for is_exported, name in declared if is_exported)
    body = _DECLARATION.sub(lambda found: found[0].removeprefix("export "), joined)
    return f"{body}export {{ {exported} }};\n" if has_exports else body


def _short_private_names(source: str) -> dict[str, str]:
    """Return a short name for each private one, the shortest for the most frequent."""
    counted = Counter(part for part in script_tokens(source) if part.startswith("#"))
    short = (f"#{a}{b}" for a in ("", *ascii_lowercase) for b in ascii_lowercase)
    return dict(zip((name for name, _ in counted.most_common()), short, strict=False))


def _needed_space(before: str, space: str, after: str) -> str:
    """Return what must stay of the space between two tokens."""
    if not space or not before:
        return ""
    last, first = before[-1], after[0]
    if "\n" in space:
        ends = last in _NO_BREAK_AFTER or first in _NO_BREAK_BEFORE
        sign = last in "+-" and before[-2:] not in {"++", "--"} and first not in "+-"
        return "" if ends or sign else "\n"
    both_words = re.fullmatch(r"[\w$#]{2}", last + first)
    joined_marks = last == first and last in "+-/"
    return " " if both_words or joined_marks or (last.isdigit() and first == ".") else ""


def _template_end(source: str, start: int) -> int:
    """Return the position after the template that starts at a position."""
    at = start + 1
    while source[at : at + 1] != "`":
        if at >= len(source):
            raise ValueError("a template does not end")
        if source.startswith("${", at):
            at = _expression_end(source, at + 2)
        else:
            at += 2 if source[at] == "\\" else 1
    return at + 1


def _expression_end(source: str, start: int) -> int:
    """Return the position after the brace that ends an expression in a template."""
    depth, at = 1, start
    for token in script_tokens(source[start:]):
        at += len(token)
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth == 0:
            return at
    raise ValueError("a template does not end")
