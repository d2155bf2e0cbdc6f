"""Looks at the whole ledger again and again, in one Lua call each time, while faults happen."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

_LOOK = """
local states, due = {}, {}
for _, key in ipairs(redis.call('KEYS', 'seewhy:job:*')) do
  states[string.sub(key, 12)] = redis.call('HGET', key, 'state')
end
for _, id in ipairs(redis.call('ZRANGE', 'seewhy:due', 0, -1)) do due[id] = 1 end
local books = redis.call('HGETALL', 'seewhy:books')
local open = redis.call('HGETALL', 'seewhy:open')
local whole = redis.call('EXISTS', 'seewhy:epoch') == 1
return cjson.encode({ states = states, due = due, books = books, open = open, whole = whole })
"""
_TERMINAL = {"succeeded", "failed", "cancelled", "expired"}


@dataclass(frozen=True, slots=True)
class Sample:
    """The ledger at one moment, and what of it breaks I1 (`unwatched`), I5 (`drift`) or I7."""

    states: Mapping[str, str]
    unwatched: frozenset[str]
    drift: int
    whole: bool = True
    """False while Redis has lost all and jobs are still being brought back."""
    open: Mapping[str, int] = field(default_factory=dict)
    """Lane → how many of its jobs have not ended, by the ledger's own count."""
    miscounted: int = 0


def sample_of(
    states: Mapping[str, str],
    due: set[str],
    books: Mapping[str, int],
    lanes: Mapping[str, int],
    *,
    whole: bool = True,
) -> Sample:
    """Judge one look at the ledger by I1, I5 and I7."""
    open_jobs = {job_id for job_id, state in states.items() if state not in _TERMINAL}
    ended = sum(books.get(state, 0) for state in _TERMINAL)
    return Sample(
        states=states,
        unwatched=frozenset(open_jobs - due),
        drift=books.get("accepted", 0) - ended - len(due),
        open=lanes,
        miscounted=sum(lanes.values()) - len(due),
        whole=whole,
    )


def look(client: "Redis") -> Sample:
    """Take one sample."""
    seen = json.loads(str(client.eval(_LOOK, 0)))
    books, lanes = (_numbers(seen[name] or []) for name in ("books", "open"))
    return sample_of(dict(seen["states"]), set(seen["due"]), books, lanes, whole=seen["whole"])


def _numbers(flat: Sequence[str]) -> dict[str, int]:
    return {name: int(n) for name, n in zip(flat[::2], flat[1::2], strict=True)}


class Sampler:
    """A thread that samples every `interval_s`, whenever the server answers."""

    def __init__(self, client: "Redis", *, interval_s: float = 0.1) -> None:
        self._client = client
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")
        self.samples: list[Sample] = []
        self.missed = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take one last sample and end."""
        self._stopped.set()
        self._thread.join()
        self.samples.append(look(self._client))

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            try:
                self.samples.append(look(self._client))
            except (RedisConnectionError, RedisTimeoutError, ResponseError):
                self.missed += 1
