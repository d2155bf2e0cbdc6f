"""The asynchronous client."""

from typing import Self

import httpx2

from seewhy.client.batches import BatchOperations
from seewhy.client.connection import ASYNC_CLIENT, Connection
from seewhy.client.many import ManyOperations
from seewhy.client.network import AsyncNetwork, http_options
from seewhy.client.saving import SavingOperations
from seewhy.client.transport import Transport


class ServiceOperations(SavingOperations, ManyOperations):
    """All operations of a service."""

    def __init__(self, transport: Transport, connection: Connection) -> None:
        """Send over `transport`. `connection` goes with every explanation that is returned."""
        super().__init__(transport, connection)
        self.batches = BatchOperations(transport, connection)


class AsyncClient(ServiceOperations):
    """A client of the service at `url` for asyncio; close it or use `async with`.

    Its methods are those of `Client`, and they are awaited; `events` and other generators are read
    with `async for`. Files are read and written in threads. The methods of its explanations do not
    block: `explanation.overlay()` and `explanation.save()` raise `NotConnected`; await
    `client.overlay(explanation)` and `client.save(explanation, path)`.

    >>> import asyncio
    >>> from pathlib import Path
    >>> from seewhy.client import AsyncClient
    >>> async def main() -> None:
    ...     async with AsyncClient("http://127.0.0.1:8000") as client:
    ...         explanation = await client.explain(Path("cat.jpg"))
    ...         await client.save(explanation, "cat.seewhy.jpg")
    ...         async for event in client.events(explanation):
    ...             print(event.status)
    >>> asyncio.run(main())
    succeeded
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout_s: float = 30.0,
        attempts: int = 6,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Create a client; the arguments are those of `Client`. Nothing is sent yet."""
        network = AsyncNetwork(
            httpx2.AsyncClient(transport=transport, **http_options(url, key=key))
        )
        sender = Transport(network, url=url, timeout_s=timeout_s, attempts=attempts)
        super().__init__(sender, Connection(reason=ASYNC_CLIENT))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.network.close()
