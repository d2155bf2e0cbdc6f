"""What goes into the ledger and what comes out of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext
from seewhy.schemas.job import JobState, Priority

DISPATCHER_QUEUE = "seewhy:hints:webhooks"
"""The Celery queue, and so the Redis list, of the messages that wake couriers."""


def lane_of(model: str, priority: Priority) -> str:
    """Name the queue of ready jobs that share a model and a priority."""
    return f"{model}:{priority}"


def lanes_of(model: str) -> tuple[str, ...]:
    """Name the lanes of a model, the one to be served first in front."""
    return tuple(lane_of(model, priority) for priority in Priority)


def wakeup_queue(lane: str) -> str:
    """Name the Celery queue, and so the Redis list, of the messages that ring for a lane."""
    return f"seewhy:hints:{lane}"


@dataclass(frozen=True, slots=True)
class LedgerPolicy:
    """The ledger's numbers. Durations only: the clock is the ledger's own (I3)."""

    lease_ms: int = 30_000
    max_attempts: int = 3
    look_ms: int = 5_000
    """How soon a queued job is looked at again; grows with its age up to `look_limit_ms`."""
    look_limit_ms: int = 60_000
    retention_ms: int = 7 * 86_400_000
    key_ttl_ms: int = 86_400_000
    accepting_ms: int = 30_000
    """How long an idempotency key stays busy when its first request is never heard of again."""
    hint_every: int = 8
    """One hint per so many waiting jobs: each wakes one more pair of hands."""
    hints_at_most: int = 32
    events_kept: int = 10_000
    lane_limit: int = 1_000_000
    """How many jobs of a lane may be open, queued or running, before more are refused."""
    tenant_limit: int = 250_000
    """The same for one tenant in one lane."""
    cache_ms: int = 86_400_000
    """How long a success answers those who ask the same."""
    webhook_ms: int = 4 * 86_400_000
    """How long a job with a webhook is kept at least: as long as its delivery is tried."""
    turn_ms: int = 120_000
    """How long a courier has an origin to itself; what it has not reported then is tried again."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's `Idempotency-Key` and the digest of the request it came with."""

    key: str
    request_digest: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be accepted. `job` is the text the worker will read; the ledger does not."""

    job_id: str
    lane: str
    job: str
    deadline_ms: int | None = None
    """Counted from acceptance."""
    key: IdempotencyKey | None = None
    context: RequestContext = DEFAULT_CONTEXT
    fingerprint: str | None = None
    """Stands for all that the outcome depends on; None: computed for this job alone."""
    webhook: str | None = None
    """The URL to be told of the outcome."""


class LimitScope(StrEnum):
    """Which bound of a queue is met."""

    LANE = "lane"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class QueueLimit:
    """A queue without room, and when it may have shrunk to nine tenths of its limit."""

    limit: LimitScope
    retry_in_ms: int


@dataclass(frozen=True, slots=True)
class SubmissionReceipt:
    """The answer to a submission: whether it made a job, and whether to ring its lane."""

    job_id: str
    created: bool
    notify: bool
    limit_reached: QueueLimit | None = None
    """Why the job was refused; None when it was not."""


class ReservationStatus(StrEnum):
    """What became of an attempt to reserve an idempotency key."""

    NEW = "new"
    ACCEPTED = "accepted"
    BUSY = "busy"
    REUSED = "reused"


@dataclass(frozen=True, slots=True)
class Reservation:
    """The state of an idempotency key, and the job id it stands for."""

    status: ReservationStatus
    job_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A job taken under a lease. Only the holder of the current fence can finish it (I4)."""

    job_id: str
    fence: int
    attempt: int
    lane: str
    job: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A claim whose result is in the object store. `result` is text for the reader."""

    claim: Claim
    result: str


@dataclass(frozen=True, slots=True)
class JobFailure:
    """A claim that did not succeed; tried again after `retry_in_ms` unless that is None."""

    claim: Claim
    code: str
    detail: str
    retry_in_ms: int | None = None


class LeaseStatus(StrEnum):
    """What the ledger says of a claim when its lease is renewed."""

    HELD = "held"
    CANCEL = "cancel"
    """Held, and its client has asked to cancel: withdraw it if it has not been computed."""
    LOST = "lost"
    """No longer this claim's to finish: drop it."""


class DeliveryState(StrEnum):
    """What has become of a webhook."""

    WAITING = "waiting"
    """The job has not ended."""
    PENDING = "pending"
    """To be delivered, or to be tried again."""
    DELIVERED = "delivered"
    REFUSED = "refused"
    """The receiver said that it wants no more (410)."""
    EXHAUSTED = "exhausted"
    """Given up after the last attempt."""


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """Where a job's outcome is to be told, and how that goes."""

    url: str
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    detail: str | None = None
    """What was last heard of the receiver."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Everything the ledger knows of one job. Times in ms since 1970, by the ledger's clock."""

    job_id: str
    state: JobState
    lane: str
    job: str
    submitted_ms: int
    context: RequestContext = DEFAULT_CONTEXT
    attempts: int = 0
    crashes: int = 0
    fence: int = 0
    alone: bool = False
    cached: bool = False
    """Whether the outcome was computed for another job that asked the same."""
    cancel_requested: bool = False
    started_ms: int | None = None
    finished_ms: int | None = None
    deadline_ms: int | None = None
    owner: str | None = None
    result: str | None = None
    error_code: str | None = None
    error_detail: str | None = None
    webhook: WebhookStatus | None = None


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job ended, as the object store remembers it."""

    state: JobState
    finished_ms: int
    cached: bool = False
    attempts: int = 0
    crashes: int = 0
    started_ms: int | None = None
    result: str | None = None
    error_code: str | None = None
    error_detail: str | None = None


@dataclass(frozen=True, slots=True)
class JobRestoration:
    """A job that the ledger has lost. Without an outcome it is to run (again)."""

    submission: Submission
    submitted_ms: int
    outcome: JobOutcome | None = None


@dataclass(frozen=True, slots=True)
class EpochMarker:
    """Whose jobs the ledger holds, by which server they were taken in, and which serves now."""

    epoch: str | None
    marked_by: str | None
    server: str


@dataclass(frozen=True, slots=True)
class JobCounts:
    """The books. `drift` is zero while no job has been lost or invented (I5)."""

    accepted: int
    non_terminal: int
    terminal: dict[JobState, int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    """Lane → how many of its jobs have not ended; together `non_terminal`."""

    @property
    def drift(self) -> int:
        """Accepted - terminal - non-terminal."""
        return self.accepted - sum(self.terminal.values()) - self.non_terminal


@dataclass(frozen=True, slots=True)
class SweepResult:
    """One pass over overdue jobs: how many were examined, how often to ring each lane."""

    examined: int
    wakeups: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A job changed its state. `position` orders events and resumes a reader."""

    position: str
    job_id: str
    state: JobState
