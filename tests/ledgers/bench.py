"""A ledger on a bench: a clock to turn by hand, hints to leave unread, the books to look into."""

from collections import Counter
from typing import Protocol

from redis import Redis

from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.ports.outbox import Outbox
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import LedgerPolicy, wakeup_queue

POLICY = LedgerPolicy(
    lease_ms=1_000,
    max_attempts=3,
    look_ms=100,
    look_limit_ms=400,
    hint_every=2,
    hints_at_most=3,
    lane_limit=12,
    tenant_limit=10,
    turn_ms=500,
)
START_MS = 1_800_000_000_000
CLOCK = """
local function now_ms() return tonumber(redis.call('GET', 'test:clock')) end
"""


class Bench(Protocol):
    ledger: Ledger
    outbox: Outbox

    def tick(self, ms: int) -> None: ...
    def leave_hint(self, lane: str) -> None: ...
    def take_hints(self, lane: str) -> None: ...
    def due(self) -> dict[str, int]: ...


class MemoryBench:
    def __init__(self) -> None:
        self.now_ms = START_MS
        self.hints: Counter[str] = Counter()
        self.twin = MemoryLedger(
            policy=POLICY,
            clock_ms=lambda: self.now_ms,
            hints_waiting=lambda lane: self.hints[lane],
        )
        self.ledger: Ledger = self.twin
        self.outbox: Outbox = self.twin.outbox

    def tick(self, ms: int) -> None:
        self.now_ms += ms

    def leave_hint(self, lane: str) -> None:
        self.hints[lane] += 1

    def take_hints(self, lane: str) -> None:
        self.hints[lane] = 0

    def due(self) -> dict[str, int]:
        return dict(self.twin._book.due)


class RedisBench:
    def __init__(self, client: Redis) -> None:
        client.flushdb()
        client.set("test:clock", START_MS)
        self.client = client
        ledger = RedisLedger(client, policy=POLICY, clock=CLOCK)
        self.ledger: Ledger = ledger
        self.outbox: Outbox = ledger.outbox

    def tick(self, ms: int) -> None:
        self.client.incrby("test:clock", ms)

    def leave_hint(self, lane: str) -> None:
        self.client.lpush(wakeup_queue(lane), "a message")

    def take_hints(self, lane: str) -> None:
        self.client.delete(wakeup_queue(lane))

    def due(self) -> dict[str, int]:
        return {
            job_id: int(at)
            for job_id, at in self.client.zrange("seewhy:due", 0, -1, withscores=True)
        }
