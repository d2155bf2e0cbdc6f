"""What an operator watches of the ledger. Ages and delays in ms, by the ledger's clock."""

from dataclasses import dataclass, field

from seewhy.ledger.types.submissions import PASS_COST
from seewhy.ledger.types.upkeep import JobCounts
from seewhy.schemas.job import Priority

DURATION_BUCKETS_MS = (
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    30_000,
    60_000,
    300_000,
    1_800_000,
)
"""The upper bounds, inclusive, by which the durations of jobs are counted."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long computed jobs took from their submission to their success."""

    counts: tuple[int, ...] = (0,) * (len(DURATION_BUCKETS_MS) + 1)
    """How many jobs each bucket has, without those of lower buckets; the last has no bound."""
    sum_ms: int = 0


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """The jobs of one lane."""

    open: int
    """Jobs without an outcome."""
    ready: int
    """Open jobs that a worker may claim now."""
    running: int
    ready_cost: int
    """What the ready jobs cost, without those in quarantine."""
    running_cost: int
    oldest_ready_ms: int
    """The age of the oldest ready job since its submission; 0 without one."""
    longest_running_ms: int
    """The time since the oldest claim of a running job; 0 without one."""
    unread_wakeups: int
    pass_us: int
    """The device time of a forward pass of the lane's model, averaged over its workers."""

    @property
    def backlog_passes(self) -> float:
        """The forward passes that the ready and running jobs are estimated to take."""
        return (self.ready_cost + self.running_cost) / PASS_COST

    @property
    def backlog_device_s(self) -> float:
        """The device time that the ready and running jobs are estimated to take."""
        return self.backlog_passes * self.pass_us / 1e6


@dataclass(frozen=True, slots=True)
class DeliveryBacklog:
    """The outbox: webhooks, and pushes to Label Studio."""

    origins: int
    """Origins with deliveries that wait."""
    delay_ms: int
    """How long the origin that waits longest has been due; 0 when none is due."""
    undelivered: int
    """Deliveries whose last attempt failed, and that nobody has dismissed."""


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """The ledger at one moment."""

    counts: JobCounts
    leases_expired: int
    """How often a worker lost its claim on a job without reporting it, since the ledger's start."""
    overdue: int
    """Jobs whose check by a sweep is due."""
    dead_letters: int
    unarchived: int
    """Outcomes that the object store does not have yet."""
    accepting_batches: int
    """Batches whose items are being submitted or cancelled."""
    deliveries: DeliveryBacklog
    durations: dict[Priority, Durations]
    lanes: dict[str, LaneStatus] = field(default_factory=dict)
    """Each lane with open jobs."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The Redis server that holds the ledger."""

    used_memory_bytes: int
    max_memory_bytes: int
    """0 means no limit."""
    evicted_keys: int
    """Any eviction loses jobs."""
    clients: int
    is_persistent: bool
    """Whether the last writes of the append-only file and of the snapshot succeeded."""
