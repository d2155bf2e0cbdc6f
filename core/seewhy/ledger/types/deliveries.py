"""Webhook deliveries: what a dispatcher leases and reports back."""

from dataclasses import dataclass
from enum import StrEnum

from seewhy.ledger.types.batches import BatchRecord
from seewhy.ledger.types.records import JobRecord

BATCH_PREFIX = "batch:"
"""Before the id of a batch in the outbox."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One outcome to deliver. `attempt` counts from 1."""

    record: JobRecord | BatchRecord
    attempt: int

    @property
    def subject_id(self) -> str:
        """The id of the job or batch."""
        record = self.record
        return record.job_id if isinstance(record, JobRecord) else record.batch_id

    @property
    def name(self) -> str:
        """The name of its row in the outbox."""
        is_job = isinstance(self.record, JobRecord)
        return self.subject_id if is_job else f"{BATCH_PREFIX}{self.subject_id}"


@dataclass(frozen=True, slots=True)
class OriginLease:
    """Due deliveries of one origin. No other dispatcher sends there while the lease lasts."""

    origin: str
    expires_ms: int
    """By the ledger's clock; identifies the lease, because later leases expire later."""
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Redelivery:
    """The answer to a request to deliver an outcome again."""

    scheduled: bool
    wait_ms: int = 0
    """Until it may be requested again; 0 if it was scheduled, or has no webhook or no outcome."""


class DeliveryResult(StrEnum):
    """The result of one attempt."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """The receiver answered 410: it wants no more messages."""
    EXHAUSTED = "exhausted"
    """The last attempt failed."""
    RETRY = "retry"
    NOT_ATTEMPTED = "not_attempted"
    """Nothing was sent; the attempt is not charged."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The report on one delivery. `retry_in_ms` applies to RETRY and NOT_ATTEMPTED."""

    delivery: Delivery
    result: DeliveryResult
    detail: str = ""
    retry_in_ms: int = 0
