"""Submitting a job: reserve an idempotency key, check the limits, submit."""

from dataclasses import dataclass
from enum import StrEnum

from seewhy.ledger.types.quotas import QuotaName, QuotaUsage
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext

PASS_COST = 1_000
"""The cost of one forward pass."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's `Idempotency-Key` with the digest of its request. Each tenant has its own keys."""

    key: str
    request_digest: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to accept.

    A new field is stored in the manifest and in Redis without further code.
    """

    job_id: str
    lane: str
    job: str
    """A `seewhy.schemas.job.Job` as JSON. The worker reads it; the ledger does not."""
    deadline_ms: int | None = None
    """Counted from acceptance."""
    key: IdempotencyKey | None = None
    context: RequestContext = DEFAULT_CONTEXT
    fingerprint: str | None = None
    """Jobs with the same fingerprint have the same outcome; None excludes it from coalescing."""
    webhook_url: str | None = None
    batch: str | None = None
    """The batch whose item it is."""
    batch_index: int | None = None
    """The index of that item."""
    cost: int = PASS_COST
    """The estimated device time, in thousandths of a forward pass of its model. It never changes,
    because it is part of running sums."""


class LimitScope(StrEnum):
    """Which limit was reached."""

    LANE = "lane"
    TENANT = "tenant"
    RECORDS = "records"
    """Records of a tenant's jobs that were not computed."""
    BATCHES = "batches"
    """Unfinished batches of a tenant."""


@dataclass(frozen=True, slots=True)
class QueueLimit:
    """A limit that was reached, and when there should be room again: in a queue, a tenth of it."""

    scope: LimitScope
    retry_in_ms: int


@dataclass(frozen=True, slots=True)
class QuotaLimit:
    """A quota of an API key that was reached, when the submission fits, and what is left."""

    name: QuotaName
    retry_in_ms: int
    remaining: int


@dataclass(frozen=True, slots=True)
class SubmissionReceipt:
    """The answer to a submission."""

    job_id: str
    created: bool
    notify: bool
    """Whether the lane needs a wakeup."""
    limit_reached: QueueLimit | QuotaLimit | None = None
    """The limit that refused the job, if one did."""
    usage: QuotaUsage | None = None
    """What is left of the quotas, if the submission was charged."""


class ReservationStatus(StrEnum):
    """The result of reserving an idempotency key."""

    NEW = "new"
    """The key is now bound to the returned job id, which the caller should submit."""
    ACCEPTED = "accepted"
    """The returned job was accepted with this key before."""
    BUSY = "busy"
    """Another request with this key is in progress."""
    REUSED = "reused"
    """The key belongs to a different request."""
    INCOMPLETE = "incomplete"
    """The ledger has lost jobs, and the key may belong to one of them. Nothing was bound."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The state of an idempotency key, and the job id bound to it."""

    status: ReservationStatus
    job_id: str
