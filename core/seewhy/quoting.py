"""Quotes what a client sent, and what Pydantic says about it, in messages."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MAX_QUOTED_CHARACTERS = 60


def quote(value: object) -> str:
    """Return `value` as a literal without control characters, cut after a fixed length.

    A message must not grow with the request that it refuses.
    """
    text = value if isinstance(value, str) else str(value)
    cut = text[:MAX_QUOTED_CHARACTERS]
    literal = repr(cut) if isinstance(value, str) else cut
    literal = literal[: 3 * MAX_QUOTED_CHARACTERS]
    return literal if len(text) == len(cut) else f"{literal}… ({len(text):,} characters)"


def quote_mistake(mistake: "ErrorDetails") -> str:
    """Return Pydantic's message, without the exception that a validator has raised."""
    return mistake["msg"].removeprefix("Value error, ")
