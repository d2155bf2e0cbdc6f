"""Parse the JSON of a model definition within limits on its depth, size and values."""

import json
from typing import Any, NoReturn

from seewhy.errors import UnsupportedModel

MAX_CONFIG_BYTES = 20_000_000
MAX_DEPTH = 100
MAX_VALUES = 2_000_000
MAX_TEXT_CHARACTERS = 10_000
_MAX_INTEGER = 2**64


def check_length(length: int, *, file_name: str) -> None:
    """Raise `UnsupportedModel` for a definition of too many bytes."""
    if length > MAX_CONFIG_BYTES:
        raise UnsupportedModel(
            f"{file_name} has a definition of {length:,} bytes; at most {MAX_CONFIG_BYTES:,} "
            "are allowed."
        )


def parse_json(text: str | bytes, *, file_name: str) -> Any:
    """Parse a definition. Raises `UnsupportedModel` beyond a limit, and `ValueError`."""
    check_length(len(text), file_name=file_name)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise UnsupportedModel(_too_deep(file_name)) from None
    _check_values(value, file_name)
    return value


def _check_values(value: Any, file_name: str) -> None:
    count = 0
    level = [value]
    for _ in range(MAX_DEPTH):
        count += len(level)
        if count > MAX_VALUES:
            raise UnsupportedModel(
                f"{file_name} has a definition of more than {MAX_VALUES:,} values."
            )
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and len(item) > MAX_TEXT_CHARACTERS:
                raise UnsupportedModel(
                    f"{file_name} has a definition with a text of {len(item):,} characters; at "
                    f"most {MAX_TEXT_CHARACTERS:,} are allowed."
                )
            elif isinstance(item, int) and abs(item) > _MAX_INTEGER:
                raise UnsupportedModel(f"{file_name} has a definition with a number above 2^64.")
        if not below:
            return
        level = below
    raise UnsupportedModel(_too_deep(file_name))


def _too_deep(file_name: str) -> str:
    return f"{file_name} has a definition nested more than {MAX_DEPTH} levels deep."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"its definition contains {name}, which is not a number")
