"""Parses JSON from clients at a bounded cost, and takes a large image out of it first."""

import json
import math
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from seewhy.errors import RequestTooLarge
from seewhy.quoting import quote

MAX_JSON_BYTES = 65_536
"""The limit on JSON, apart from the image."""
MAX_VALUES = 2_500
"""More than the largest valid request: 4,096 bytes of metadata have room for 2,046 values."""
MAX_DEPTH = 32
MAX_FORM_PARTS = 4

_BACKSLASH = ord("\\")

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class SplitJson:
    """JSON whose longest string was replaced by `placeholder`, if it had more than a few bytes."""

    rest: bytes
    placeholder: str | None
    string: bytes
    """The content of that string as it was sent, without its quotes."""


def parse_json(text: bytes | str) -> Any:
    """Parse JSON strictly: UTF-8, each name once in an object, finite numbers, whole characters.

    Raises `RequestTooLarge` beyond the limits on bytes and values, and pydantic's
    `ValidationError`, of the type `json_invalid` when the text is not JSON.
    """
    if len(text) > MAX_JSON_BYTES:
        raise_too_large()
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        value = json.loads(decoded, object_pairs_hook=_refuse_repeated_names)
    except UnicodeDecodeError:
        refuse_json("it is not encoded as UTF-8")
    except json.JSONDecodeError as error:
        refuse_json(f"{error.msg.rstrip(':')} at line {error.lineno}, column {error.colno}")
    except RecursionError:
        refuse_json(f"it is nested more than {MAX_DEPTH} levels deep")
    except ValidationError:  # a ValueError, too
        raise
    except ValueError:  # json's message speaks of Python
        refuse_json("a number has too many digits")
    mistakes = list(_mistakes(value))
    if mistakes:
        raise ValidationError.from_exception_data("JSON", mistakes)
    return value


def split_json(body: bytes) -> SplitJson:
    """Take the longest string out of JSON that is longer than `MAX_JSON_BYTES`.

    The cost is linear, and stops at `MAX_JSON_BYTES` apart from that string. Raises as `parse_json`
    does; the rest is not parsed.
    """
    if len(body) <= MAX_JSON_BYTES:
        return SplitJson(body, None, b"")
    first, last, position = 0, 0, 0
    while (opening := body.find(b'"', position)) >= 0:
        position = _end_of_string(body, opening)
        if position - opening > last - first:
            first, last = opening, position
        if position - (last - first) > MAX_JSON_BYTES:
            raise_too_large()
    if len(body) - (last - first) > MAX_JSON_BYTES:
        raise_too_large()
    placeholder = secrets.token_hex(16)  # random, so that no other string can equal it
    rest = b'%b"%b"%b' % (body[:first], placeholder.encode(), body[last:])
    return SplitJson(rest, placeholder, body[first + 1 : last - 1])


def _end_of_string(body: bytes, opening: int) -> int:
    """Return where the string ends that begins at `opening`.

    An image holds no escaped quotes, so a long string that does is refused: the search would not be
    as fast as `bytes.find`.
    """
    closing = opening
    while (closing := body.find(b'"', closing + 1)) >= 0:
        backslashes = 0
        while body[closing - backslashes - 1] == _BACKSLASH:
            backslashes += 1
            if backslashes > MAX_JSON_BYTES:
                raise_too_large()
        if backslashes % 2 == 0:
            return closing + 1
        if closing - opening > MAX_JSON_BYTES:
            raise_too_large()
    return refuse_json("a string has no end")


def raise_too_large() -> NoReturn:
    """Raise `RequestTooLarge`."""
    raise RequestTooLarge(
        f"Apart from its image, a request has at most {MAX_FORM_PARTS} parts, {MAX_JSON_BYTES:,} "
        f"bytes of JSON and {MAX_VALUES:,} values."
    )


def refuse_json(reason: str) -> NoReturn:
    """Raise a `ValidationError` of the type `json_invalid`."""
    detail = InitErrorDetails(type="json_invalid", ctx={"error": reason}, input=None)
    raise ValidationError.from_exception_data("JSON", [detail])


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object. Parsers disagree on which of two equal names counts (RFC 8259, 4)."""
    values = dict(pairs)
    if len(values) < len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        refuse_json(f"an object has the name {quote(name)} twice")
    return values


def _mistakes(root: object) -> Iterator[InitErrorDetails]:
    """Yield what no field can hold. Raises `RequestTooLarge` and `ValidationError`."""
    pending: list[tuple[_Path, object]] = [((), root)]
    seen = 1
    while pending:
        path, value = pending.pop()
        children: list[tuple[_Path, object]] = []
        if isinstance(value, dict):
            if any(not _is_text(name) for name in value):
                yield _mistake(path, "a name has half of a character (a lone surrogate)")
            children = [((*path, name), child) for name, child in value.items()]
        elif isinstance(value, list):
            children = [((*path, index), child) for index, child in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            yield _mistake(path, "must be a finite number")
        elif isinstance(value, str) and not _is_text(value):
            yield _mistake(path, "has half of a character (a lone surrogate)")
        seen += len(children)
        if seen > MAX_VALUES:
            raise_too_large()
        if children and len(path) >= MAX_DEPTH:
            refuse_json(f"it is nested more than {MAX_DEPTH} levels deep")
        pending += children


def _mistake(path: _Path, message: str) -> InitErrorDetails:
    error = PydanticCustomError("unusable_value", message)
    return InitErrorDetails(type=error, loc=path, input=None)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
