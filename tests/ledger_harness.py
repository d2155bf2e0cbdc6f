"""Ledgers under test: with a clock set by hand, wakeups left unread, and due times to inspect."""

from collections import Counter
from typing import Protocol, cast

from redis import Redis

from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.ports.jobs import JobLedger
from seewhy.ledger.ports.key_use import KeyUseLog
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.ports.outbox import Outbox
from seewhy.ledger.ports.uploads import UploadLedger
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.ledger.redis.client.keys import DUE
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import JobRecord, LedgerPolicy
from seewhy.ledger.types.policy import DAY_MS
from seewhy.schemas.job import JobState

POLICY = LedgerPolicy(
    lease_ms=1_000,
    max_attempts=3,
    max_crashes=5,
    max_crash_pause_ms=300,
    recheck_ms=100,
    recheck_max_ms=400,
    recheck_ready_ms=100,
    jobs_per_wakeup=2,
    max_wakeups=3,
    lane_limit=12,
    tenant_limit=10,
    record_limit=1_000,
    tenant_batch_limit=3,
    origin_lease_ms=500,
    max_skipped=3,
    max_shared=2,
    reservation_ttl_ms=DAY_MS,
)
START_MS = 1_800_000_000_000
CLOCK = """
local function now_ms() return tonumber(redis.call('GET', 'test:clock')) end
"""


class LedgerHarness(Protocol):
    """A ledger with a clock and queues that a test controls."""

    ledger: Ledger
    outbox: Outbox
    batches: BatchLedger
    workers: WorkerRegistry
    key_use: KeyUseLog
    uploads: UploadLedger

    def lose_all_data(self) -> None:
        """Replace the ledger by an empty one and set the clock to `START_MS`."""

    def advance(self, ms: int) -> None:
        """Set the ledger's clock forward."""

    def add_unread_wakeup(self, queue: str) -> None:
        """Leave a message in a Celery queue."""

    def read_wakeups(self, queue: str) -> None:
        """Empty a Celery queue."""

    def due(self) -> dict[str, int]:
        """Return when each open job is checked next."""

    def queue_costs(self, lane: str) -> tuple[dict[str, int], int]:
        """Return what the ready jobs of each tenant cost, and all running jobs."""


class MemoryHarness:
    """Implements `LedgerHarness` in memory."""

    def __init__(self, *, policy: LedgerPolicy = POLICY) -> None:
        self._policy = policy
        self.lose_all_data()

    def lose_all_data(self) -> None:
        self.now_ms = START_MS
        self.unread: Counter[str] = Counter()
        self.memory = MemoryLedger(
            policy=self._policy,
            clock_ms=lambda: self.now_ms,
            unread_wakeups=lambda queue: self.unread[queue],
        )
        self.ledger: Ledger = self.memory
        self.outbox: Outbox = self.memory.outbox
        self.batches: BatchLedger = self.memory.batches
        self.workers: WorkerRegistry = self.memory.workers
        self.key_use: KeyUseLog = self.memory.key_use
        self.uploads: UploadLedger = self.memory.uploads

    def advance(self, ms: int) -> None:
        self.now_ms += ms

    def add_unread_wakeup(self, queue: str) -> None:
        self.unread[queue] += 1

    def read_wakeups(self, queue: str) -> None:
        self.unread[queue] = 0

    def due(self) -> dict[str, int]:
        return dict(self.memory._state.due)

    def queue_costs(self, lane: str) -> tuple[dict[str, int], int]:
        ready: Counter[str] = Counter()
        running = 0
        for entry in self.memory._state.entries.values():
            record = entry.record
            if record.lane == lane and entry.ready and not record.quarantined:
                ready.update({record.context.tenant: record.cost, "*": record.cost})
            elif record.lane == lane and record.state is JobState.RUNNING:
                running += record.cost
        return dict(ready), running


class RedisHarness:
    """Implements `LedgerHarness` on a server, whose data it deletes first."""

    def __init__(self, client: Redis, *, policy: LedgerPolicy = POLICY) -> None:
        self._policy = policy
        self.client = client
        self.lose_all_data()

    def lose_all_data(self) -> None:
        self.client.flushdb()
        self.client.set("test:clock", START_MS)
        ledger = RedisLedger(self.client, policy=self._policy, clock=CLOCK)
        self.ledger: Ledger = ledger
        self.outbox: Outbox = ledger.outbox
        self.batches: BatchLedger = ledger.batches
        self.workers: WorkerRegistry = ledger.workers
        self.key_use: KeyUseLog = ledger.key_use
        self.uploads: UploadLedger = ledger.uploads

    def advance(self, ms: int) -> None:
        self.client.incrby("test:clock", ms)

    def add_unread_wakeup(self, queue: str) -> None:
        self.client.lpush(queue, "a message")

    def read_wakeups(self, queue: str) -> None:
        self.client.delete(queue)

    def due(self) -> dict[str, int]:
        times = cast("list[tuple[str, float]]", self.client.zrange(DUE, 0, -1, withscores=True))
        return {job_id: int(at_ms) for job_id, at_ms in times}

    def queue_costs(self, lane: str) -> tuple[dict[str, int], int]:
        ready = cast("dict[str, str]", self.client.hgetall(f"{{seewhy}}:ready_cost:{lane}"))
        running = cast("str | None", self.client.hget("{seewhy}:running_cost", lane))
        return {tenant: int(cost) for tenant, cost in ready.items()}, int(running or 0)


def read_job(ledger: JobLedger, job_id: str) -> JobRecord:
    """Return the record of a job that the ledger must have."""
    record = ledger.read(job_id)
    assert record is not None, f"the ledger has no job {job_id}"
    return record


def queue_position(ledger: JobLedger, job_id: str) -> int | None:
    """Return the position of a job in its queue; None when it is in none."""
    work = ledger.work_ahead(job_id)
    return work.position if work else None


def latest_position(ledger: JobLedger) -> str:
    """Return the position of the latest event."""
    position = "0"
    while events := ledger.events(after=position, wait_ms=1):
        position = events[-1].position
    return position
