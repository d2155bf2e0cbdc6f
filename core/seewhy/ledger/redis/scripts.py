"""The Lua of the ledger, and how it is called."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any

from redis import Redis

from seewhy.ledger.redis.connection import translated
from seewhy.ledger.types import LedgerPolicy

PARTS = ("prelude", "queues", "room", "outbox", "endings")
"""What each script is put together of, in this order, after a clock and before itself."""


class Scripts:
    """Calls scripts by name; each is loaded when it is first needed."""

    def __init__(self, client: Redis, *, policy: LedgerPolicy, clock: str | None = None) -> None:
        """Prepare; nothing is sent yet. `clock` is Lua that defines `now_ms()`."""
        self._client = client
        self._policy = json.dumps(asdict(policy))
        self._head = "\n".join([clock or _lua("clock"), *map(_lua, PARTS)])
        self._known: dict[str, Any] = {}

    def call(self, name: str, *arguments: str | int) -> Any:
        """Run one. Raises `LedgerUnavailable`."""
        with translated():
            return self.script(name)(args=[self._policy, *arguments])

    def script(self, name: str) -> Any:
        """Return the registered script; its `sha` is how Redis knows it."""
        if name not in self._known:
            self._known[name] = self._client.register_script(self._head + _lua(name))
        return self._known[name]


def pairs(flat: Sequence[Any]) -> dict[str, Any]:
    """Read names and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


@cache
def _lua(name: str) -> str:
    return resources.files("seewhy.ledger").joinpath("lua", f"{name}.lua").read_text("utf-8")
