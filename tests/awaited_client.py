"""`AsyncClient` behind the methods of `Client`, so that one test holds for both."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Self, cast

import pytest

from seewhy.client import AsyncClient, Client


class Awaited:
    """Runs the coroutines and generators of `target` on an event loop."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if inspect.iscoroutinefunction(found):
            return lambda *args, **kwargs: self._runner.run(found(*args, **kwargs))
        if inspect.isasyncgenfunction(found):
            return lambda *args, **kwargs: self._iterate(found(*args, **kwargs))
        return Awaited(found, self._runner)

    def _iterate(self, generator: AsyncGenerator[Any, None]) -> Generator[Any, None, None]:
        async def step() -> Any:
            return await anext(generator)

        try:
            while True:
                try:
                    value = self._runner.run(step())
                except StopAsyncIteration:
                    return
                yield value
        finally:
            self._runner.run(generator.aclose())


class AwaitedClient(Awaited):
    """An `AsyncClient` with an event loop of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(AsyncClient(*args, **kwargs), asyncio.Runner())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._target.close())
        self._runner.close()


Connect = Callable[..., Client]
"""Makes a client; both kinds have the methods of `Client`."""

both_clients = pytest.mark.parametrize(
    "connect", [Client, cast("Connect", AwaitedClient)], ids=["blocking", "asynchronous"]
)
