"""The Lua scripts of the ledger, and how they are called.

Every script receives one JSON object, the arguments of the call; the ledger's settings are part of
its text. The first line of its file says what Redis lets it do at its memory limit: `allow-oom` for
what finishes or keeps up accepted jobs, and no flag for what accepts more.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any

from redis import Redis

from seewhy.ledger.redis.client.connection import translated
from seewhy.ledger.redis.client.script_text import script_text
from seewhy.ledger.types import (
    DISPATCHER_QUEUE,
    DURATION_BUCKETS_MS,
    PASS_COST,
    LedgerPolicy,
)
from seewhy.ledger.types.lanes import WAKEUP_QUEUE_PREFIX
from seewhy.ledger.types.policy import CRASH_LIMIT_DETAIL, WORKER_LOST, WORKER_LOST_DETAIL
from seewhy.ledger.types.workers import (
    ASSUMED_PASS_US,
    MEASURED_VALUES,
    MEASUREMENTS_LIMIT,
    PLAIN_METHOD,
)

SHARED = (
    "keys",
    "records",
    "batches",
    "queues",
    "admission",
    "quotas",
    "outbox",
    "coalescing",
    "finish",
    "acceptance",
    "workers",
)
"""The files of `lua/shared` that precede each script, after the clock and in this order."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Scripts:
    """Calls scripts by the path of their file. A script is loaded on its first call."""

    def __init__(self, client: Redis, *, policy: LedgerPolicy, clock: str | None = None) -> None:
        """Prepare without connecting. `clock` is Lua that defines `now_ms()`."""
        self.client: Any = client  # redis-py types a reply as the union of all possible replies
        self._settings = asdict(policy) | {
            "wakeup_queue_prefix": WAKEUP_QUEUE_PREFIX,
            "dispatcher_queue": DISPATCHER_QUEUE,
            "pass_cost": PASS_COST,
            "plain_method": PLAIN_METHOD,
            "assumed_pass_us": ASSUMED_PASS_US,
            "duration_buckets_ms": DURATION_BUCKETS_MS,
            "measured_values": MEASURED_VALUES,
            "measurements_limit": MEASUREMENTS_LIMIT,
            "worker_lost": WORKER_LOST,
            "worker_lost_detail": WORKER_LOST_DETAIL,
            "crash_limit_detail": CRASH_LIMIT_DETAIL,
        }
        parts = [_lua(f"shared/{name}") for name in SHARED]
        self._shared = "\n".join([clock or _lua("shared/clock"), *parts])
        self._scripts: dict[str, Any] = {}

    def call(self, path: str, **arguments: object) -> Any:
        """Run a script. Raises `LedgerUnavailable`. Arguments that are None are left out."""
        with translated():
            return self.script(path)(args=[encode_arguments(arguments)])

    def script(self, path: str) -> Any:
        """Return the registered script; Redis identifies it by its `sha`."""
        if path not in self._scripts:
            text = script_text(self._shared, _lua(path), settings=self._settings)
            self._scripts[path] = self.client.register_script(text)
        return self._scripts[path]


def encode_arguments(arguments: Mapping[str, object]) -> str:
    """Encode as JSON, without None: cjson decodes null as a value that is true."""
    present = {name: value for name, value in arguments.items() if value is not None}
    return _ENCODER.encode(present)


@cache
def _lua(path: str) -> str:
    return resources.files("seewhy.ledger").joinpath("lua", f"{path}.lua").read_text("utf-8")
