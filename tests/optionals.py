"""Optional values that a test knows to be present."""

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """Return the value. Raises `AssertionError` when it is None."""
    assert value is not None
    return value
