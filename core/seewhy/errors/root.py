"""The base class of all errors."""

from typing import ClassVar


class SeewhyError(Exception):
    """Base class of all errors. `str(error)` is a message for people."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False
