"""The client that a response came from, so that the response can fetch more of itself."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Unpack

from seewhy.client.drawing_options import DrawingOptions
from seewhy.errors import SeewhyError


class NotConnected(SeewhyError):
    """The object has no client that could fetch something for it without being awaited."""

    code = "not_connected"


class Fetcher(Protocol):
    """A blocking client."""

    @property
    def closed(self) -> bool:
        """Whether it cannot send any more."""

    def overlay(self, explanation: Any, *, target: int, **options: Unpack[DrawingOptions]) -> bytes:
        """Return the image with one map on it."""

    def html(self, explanation: Any, *, target: int, **options: Unpack[DrawingOptions]) -> str:
        """Return the explanation as one HTML file."""

    def save(
        self, explanation: Any, path: Path, *, target: int, **options: Unpack[DrawingOptions]
    ) -> Path:
        """Save a drawing, a page or the maps."""


NO_CLIENT = (
    "This explanation was not returned by a Client, so it has nothing to fetch with. "
    "Pass it to one: client.overlay(explanation), client.save(explanation, path)."
)
CLOSED = (
    "The client that returned this explanation is closed. "
    "Pass it to another: client.overlay(explanation), client.save(explanation, path)."
)
ASYNC_CLIENT = (
    "This explanation was returned by an AsyncClient, and its methods do not block. "
    "Await the client's: await client.overlay(explanation), await client.save(explanation, path)."
)


@dataclass(frozen=True)
class Connection:
    """The client of an object. All connections are equal: they are no part of its value."""

    fetcher: Fetcher | None = field(default=None, compare=False)
    reason: str = field(default=NO_CLIENT, compare=False)
    """Why there is no fetcher."""

    def require(self) -> Fetcher:
        """Return the client. Raises `NotConnected`."""
        if self.fetcher is None:
            raise NotConnected(self.reason)
        if self.fetcher.closed:
            raise NotConnected(CLOSED)
        return self.fetcher

    def __reduce__(self) -> tuple[type["Connection"], tuple[()]]:
        """Copy and pickle without the client: it has connections."""
        return Connection, ()
