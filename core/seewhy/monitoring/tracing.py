"""Traces: spans of a request, of its job and of the batch that explains it. Off by default.

The trace of a request goes on in its job, wherever and whenever that runs: the `traceparent` (W3C
Trace Context) of the span that submits it is part of the request context. A batch is a span of its
own, with a link to each of its jobs, because it belongs to many traces.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

SpanKind = Literal["internal", "server", "consumer", "client"]
Attribute = str | int | float | bool


class Span(Protocol):
    """A span that has begun."""

    @property
    def traceparent(self) -> str | None:
        """What names it to other processes; None while tracing is off."""

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Add attributes."""


class Tracing(Protocol):
    """Makes spans. Thread-safe; one per process."""

    enabled: bool

    def span(
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parent: str | None = None,
        links: Sequence[str] = (),
        attributes: Mapping[str, Attribute] | None = None,
    ) -> AbstractContextManager[Span]:
        """Begin a span, and end it after the block.

        `parent` and `links` are traceparents; without a parent, or with an invalid one, the span
        begins a trace. The block does not become the parent of others by itself.
        """

    def stop(self) -> None:
        """Send what has ended, and make no more spans."""


class _NoSpan:
    """Stands for every span while tracing is off."""

    traceparent = None

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Do nothing."""


class NoTracing:
    """Implements `Tracing` without spans."""

    enabled = False
    _off = nullcontext(_NoSpan())

    def span(
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parent: str | None = None,
        links: Sequence[str] = (),
        attributes: Mapping[str, Attribute] | None = None,
    ) -> AbstractContextManager[Span]:
        """Return the span that does nothing."""
        del name, kind, parent, links, attributes
        return self._off

    def stop(self) -> None:
        """Do nothing."""
