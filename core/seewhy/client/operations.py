"""What all operations share: the connection, parsing, and waiting."""

import time
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from seewhy.client.batch import Batch
from seewhy.client.connection import Connection
from seewhy.client.errors import WaitTimedOut
from seewhy.client.explanation import Explanation
from seewhy.client.responses import Summary, SummaryPage
from seewhy.client.transport import Transport, read_json, retry_after_s, unexpected
from seewhy.quoting import quote_mistake

LONG_POLL_S = 20
PAGE_SIZE = 200
"""Summaries of one request."""

Parsed = TypeVar("Parsed", bound=BaseModel)
Resource = TypeVar("Resource", Explanation, Batch)
"""What finishes."""


class Operations:
    """Operations of a service, written once for blocking and asynchronous clients."""

    def __init__(self, transport: Transport, connection: Connection) -> None:
        """Send over `transport`. `connection` goes with every explanation that is returned."""
        self._transport = transport
        self.network = transport.network
        self.connection = connection

    async def _poll(self, path: str, *, wait_s: int) -> httpx2.Response:
        """Get a resource, after waiting up to `wait_s` for it to finish."""
        params = {"wait": wait_s} if wait_s else None
        return await self._transport.send("GET", path, wait_s=wait_s, params=params)

    async def _wait(self, kind: type[Resource], path: str, *, timeout_s: float) -> Resource:
        """Return a resource when it has finished. Raises `WaitTimedOut`."""
        deadline = time.monotonic() + timeout_s
        while True:
            sent_at = time.monotonic()
            wait_s = int(min(LONG_POLL_S, max(deadline - sent_at, 0)))
            response = await self._poll(path, wait_s=wait_s)
            latest = self._parse(kind, response)
            now = time.monotonic()
            if latest.status.terminal:
                return latest
            if now >= deadline:
                raise WaitTimedOut(kind.__name__.lower(), latest.id, timeout_s=timeout_s)
            # Time spent in the long poll counts towards Retry-After.
            pause_s = sent_at + retry_after_s(response, default_s=1.0) - now
            await self.network.sleep(min(max(pause_s, 0.0), deadline - now))

    async def _summaries(self, path: str, *, following: str) -> AsyncGenerator[Summary, None]:
        """Yield the summaries of all pages; the parameter `following` names the next page."""
        params: dict[str, str | int] = {"limit": PAGE_SIZE}
        while True:
            response = await self._transport.send("GET", path, params=params)
            page = self._parse(SummaryPage, response)
            for summary in page.summaries:
                yield summary
            if page.next is None:
                return
            params[following] = page.next

    def _parse(self, kind: type[Parsed], response: httpx2.Response) -> Parsed:
        """Return a JSON response. Raises `UnexpectedResponse`."""
        return self._validate(kind, read_json(response), response)

    def _validate(self, kind: type[Parsed], body: Any, response: httpx2.Response) -> Parsed:
        """Return a JSON document of a response. Raises `UnexpectedResponse`."""
        try:
            parsed = kind.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise unexpected(response, f"{field}: {quote_mistake(first)}") from error
        if isinstance(parsed, Explanation):
            parsed.connected_to(self.connection)
        return parsed
