"""Samples the whole ledger periodically while faults happen, in one Lua call per sample."""

import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

_SAMPLE_SCRIPT = """
local states, due = {}, {}
for _, key in ipairs(redis.call('KEYS', '{seewhy}:job:*')) do
  states[string.match(key, '[^:]+$')] = redis.call('HGET', key, 'state')
end
for _, id in ipairs(redis.call('ZRANGE', '{seewhy}:due', 0, -1)) do due[id] = 1 end
local totals = redis.call('HGETALL', '{seewhy}:counters')
local open = redis.call('HGETALL', '{seewhy}:open')
local complete = redis.call('EXISTS', '{seewhy}:epoch') == 1
return cjson.encode({
  states = states, due = due, totals = totals, open = open, complete = complete
})
"""
PAUSE_RATIO = 10
"""How many times as long as a sample took is waited for the next, at least."""
_TERMINAL = {"succeeded", "failed", "cancelled", "expired"}


@dataclass(frozen=True, slots=True)
class Sample:
    """The ledger at one moment, and its violations of I1 (`not_due`), I5 (`drift`) and I7."""

    states: Mapping[str, str]
    """Job id → state."""
    not_due: frozenset[str]
    """Open jobs that are missing from `{seewhy}:due`."""
    drift: int
    """Accepted jobs minus ended and due ones."""
    is_complete: bool = True
    """False while a lost ledger is being rebuilt."""
    open_jobs: Mapping[str, int] = field(default_factory=dict)
    """Lane → open jobs, by the ledger's own counter."""
    miscounted: int = 0
    """The sum of `open_jobs` minus the jobs in `{seewhy}:due`."""


def make_sample(
    states: Mapping[str, str],
    due: set[str],
    totals: Mapping[str, int],
    open_jobs: Mapping[str, int],
    *,
    is_complete: bool = True,
) -> Sample:
    """Check the content of the ledger against I1, I5 and I7."""
    not_ended = {job_id for job_id, state in states.items() if state not in _TERMINAL}
    ended = sum(totals.get(state, 0) for state in _TERMINAL)
    return Sample(
        states=states,
        not_due=frozenset(not_ended - due),
        drift=totals.get("accepted", 0) - ended - len(due),
        open_jobs=open_jobs,
        miscounted=sum(open_jobs.values()) - len(due),
        is_complete=is_complete,
    )


def take_sample(redis: "Redis") -> Sample:
    """Sample the ledger."""
    read = json.loads(str(redis.eval(_SAMPLE_SCRIPT, 0)))
    totals, open_jobs = (_numbers(read[name] or []) for name in ("totals", "open"))
    return make_sample(
        {sys.intern(job_id): sys.intern(state) for job_id, state in dict(read["states"]).items()},
        set(read["due"]),
        totals,
        open_jobs,
        is_complete=read["complete"],
    )


def _numbers(flat: Sequence[str]) -> dict[str, int]:
    return {name: int(n) for name, n in zip(flat[::2], flat[1::2], strict=True)}


class Sampler:
    """A thread that samples every `interval_s`, and skips samples that Redis does not answer.

    A sample of many jobs takes Redis a while; then samples are fewer.
    """

    def __init__(self, redis: "Redis", *, interval_s: float = 0.1) -> None:
        """Sample the ledger of `redis`."""
        self._redis = redis
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")
        self.samples: list[Sample] = []
        self.missed = 0

    def start(self) -> None:
        """Start sampling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling and take a final sample."""
        self._stopped.set()
        self._thread.join()
        self.samples.append(take_sample(self._redis))

    def _run(self) -> None:
        wait_s = self._interval_s
        while not self._stopped.wait(wait_s):
            started_s = time.monotonic()
            try:
                self.samples.append(take_sample(self._redis))
            except (RedisConnectionError, RedisTimeoutError, ResponseError):
                self.missed += 1
            wait_s = max(self._interval_s, PAUSE_RATIO * (time.monotonic() - started_s))
