"""Read the lines of a streamed response, and connect again when the connection breaks."""

from collections.abc import AsyncGenerator

import httpx2

from seewhy.client.errors import RequestRejected, ServiceUnreachable
from seewhy.client.transport import Transport

READ_TIMEOUT_S = 60.0
"""Event streams have a heartbeat every 15 s; after this long without one, the service is gone."""
_MAX_FAILURES = 6


class ResumableStream:
    """The stream at one path. `params` and `headers` say where the next connection resumes it."""

    def __init__(self, transport: Transport, path: str) -> None:
        """Read from this path. Nothing is sent yet."""
        self._transport = transport
        self._path = path
        self._connected = False
        self._failures = 0
        self.params: dict[str, str | float] = {}
        self.headers: dict[str, str] = {}
        self.retry_s = 1.0
        self.complete = False
        """Whether the last connection received the whole body."""

    def mark_progress(self) -> None:
        """Note that something was received: only failures in a row are counted."""
        self._failures = 0

    async def pause(self) -> None:
        """Wait before the next connection."""
        await self._transport.network.sleep(self.retry_s)

    async def connect(self) -> AsyncGenerator[tuple[str, httpx2.Response], None]:
        """Yield the lines of one connection, and the response that they belong to.

        Raises what `Transport.stream` raises at the first connection. A later one that fails or
        breaks only ends, for example while the service restarts; the error is raised after six
        failures in a row.
        """
        self.complete = False
        try:
            async with self._transport.stream(
                self._path, params=self.params, headers=self.headers, read_timeout_s=READ_TIMEOUT_S
            ) as response:
                self._connected = True
                async for line in self._transport.network.lines(response):
                    yield line, response
        except (httpx2.TransportError, ServiceUnreachable, RequestRejected) as error:
            self._failures += 1
            temporary = not isinstance(error, RequestRejected) or error.status == 503
            if not (temporary and self._connected and self._failures < _MAX_FAILURES):
                if isinstance(error, httpx2.TransportError):
                    raise ServiceUnreachable(f"{self._path}: connection lost: {error}") from error
                raise
        else:
            self.complete = True
