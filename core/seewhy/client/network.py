"""What operations need of the outside: HTTP, time and blocking work.

Operations are coroutines, written once. `BlockingNetwork` never suspends them, so a blocking client
completes them in one step (`seewhy.client.blocking`).
"""

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, ParamSpec, Protocol, TypeVar

import httpx2

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

_BLOCK_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request. Its body is `files`, `json` or the file `content`."""

    method: str
    path: str
    timeout_s: float
    params: Mapping[str, str | float] | None = None
    headers: Mapping[str, str] | None = None
    files: Mapping[str, Any] | None = None
    json: Mapping[str, Any] | None = None
    content: IO[bytes] | None = None


class Network(Protocol):
    """Sends one request at a time for an operation, and does its blocking work."""

    async def send(self, request: Request, *, stream: bool) -> httpx2.Response:
        """Return the response. With `stream`, its body is read later. Raises `TransportError`."""

    async def read(self, response: httpx2.Response) -> None:
        """Read the body of a streamed response and close it."""

    async def close_response(self, response: httpx2.Response) -> None:
        """Close a streamed response."""

    def lines(self, response: httpx2.Response) -> AsyncIterator[str]:
        """Yield the lines of a streamed response."""

    def blocks(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        """Yield the content of a streamed response."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def call(
        self,
        function: Callable[Arguments, Value],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Value:
        """Call a function that blocks, such as one that reads a file."""

    async def close(self) -> None:
        """Close the connections."""


class BlockingNetwork:
    """Blocks the thread. Thread-safe."""

    def __init__(self, http: httpx2.Client) -> None:
        """Send with this client."""
        self._http = http

    async def send(self, request: Request, *, stream: bool) -> httpx2.Response:
        """Send a request."""
        content = None if request.content is None else _blocks_of(request.content)
        return self._http.send(_build(self._http, request, content), stream=stream)

    async def read(self, response: httpx2.Response) -> None:
        """Read the body."""
        response.read()

    async def close_response(self, response: httpx2.Response) -> None:
        """Close the response."""
        response.close()

    async def lines(self, response: httpx2.Response) -> AsyncIterator[str]:
        """Yield lines."""
        for line in response.iter_lines():
            yield line

    async def blocks(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        """Yield content."""
        for block in response.iter_bytes():
            yield block

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    async def call(
        self,
        function: Callable[Arguments, Value],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Value:
        """Call the function here."""
        return function(*args, **kwargs)

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncNetwork:
    """Suspends on asyncio's event loop; blocking work runs in its threads."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        """Send with this client."""
        self._http = http

    async def send(self, request: Request, *, stream: bool) -> httpx2.Response:
        """Send a request."""
        file = request.content
        content = None if file is None else self.in_threads(partial(_blocks_of, file))
        built = _build(self._http, request, content)
        if any(hasattr(part[1], "read") for part in (request.files or {}).values()):
            built.stream = _ThreadedStream(self, built.stream)
        return await self._http.send(built, stream=stream)

    async def read(self, response: httpx2.Response) -> None:
        """Read the body."""
        await response.aread()

    async def close_response(self, response: httpx2.Response) -> None:
        """Close the response."""
        await response.aclose()

    def lines(self, response: httpx2.Response) -> AsyncIterator[str]:
        """Yield lines."""
        return response.aiter_lines()

    def blocks(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        """Yield content."""
        return response.aiter_bytes()

    async def sleep(self, seconds: float) -> None:
        """Suspend."""
        await asyncio.sleep(seconds)

    async def call(
        self,
        function: Callable[Arguments, Value],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Value:
        """Call the function in a thread."""
        return await asyncio.to_thread(function, *args, **kwargs)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def in_threads(self, begin: Callable[[], Iterator[bytes]]) -> AsyncIterator[bytes]:
        """Yield what an iterator yields that blocks, such as one that reads a file."""
        blocks = await self.call(begin)
        while (block := await self.call(next, blocks, None)) is not None:
            yield block


class _ThreadedStream(httpx2.AsyncByteStream):
    """The body of a request, read in threads."""

    def __init__(self, network: AsyncNetwork, stream: Any) -> None:
        self._network = network
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._network.in_threads(partial(iter, self._stream))


def http_options(url: str, *, key: str | None) -> dict[str, Any]:
    """Return the arguments of an HTTP client that sends to `url` with an API key."""
    return {
        "base_url": url,
        "trust_env": not _is_loopback(url),  # a proxy cannot reach this machine's loopback
        "follow_redirects": True,
        "headers": {"Accept": "application/json, */*;q=0.5"}
        | ({"Authorization": f"Bearer {key}"} if key else {}),
    }


def _build(
    http: httpx2.Client | httpx2.AsyncClient,
    request: Request,
    content: Iterator[bytes] | AsyncIterator[bytes] | None,
) -> httpx2.Request:
    return http.build_request(
        request.method,
        request.path,
        params=request.params,
        headers=request.headers,
        files=request.files,
        json=request.json,
        content=content,
        timeout=request.timeout_s,
    )


def _blocks_of(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    return iter(partial(file.read, _BLOCK_BYTES), b"")


def _is_loopback(url: str) -> bool:
    host = httpx2.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
