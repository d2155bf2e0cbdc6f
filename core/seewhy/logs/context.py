"""What a log line is about: the ids of the request and the job that a thread works on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

LogContext = Mapping[str, str | Sequence[str]]

_context: ContextVar[LogContext] = ContextVar("log_context", default=MappingProxyType({}))


def log_context() -> LogContext:
    """Return what the lines of this thread, or task, are about now."""
    return _context.get()


@contextmanager
def about(**ids: str | Sequence[str] | None) -> Iterator[None]:
    """Add ids to every line that the block logs, in this thread; None removes one.

    The names are `request_id`, `job_id`, `job_ids` and `batch_id`.
    """
    merged = {**_context.get(), **ids}
    token = _context.set({name: value for name, value in merged.items() if value is not None})
    try:
        yield
    finally:
        _context.reset(token)
