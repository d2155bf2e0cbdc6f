"""The values that go into the ledger and come out of it."""

from seewhy.ledger.types.claims import (
    Claim,
    Completion,
    FinishReceipt,
    JobFailure,
    LeaseStatus,
)
from seewhy.ledger.types.deliveries import (
    Attempt,
    Delivery,
    DeliveryResult,
    OriginLease,
    Redelivery,
)
from seewhy.ledger.types.lanes import (
    DISPATCHER_QUEUE,
    is_long,
    lane_of,
    lanes_of,
    model_of,
    priority_of,
    wakeup_queue,
)
from seewhy.ledger.types.policy import LedgerPolicy
from seewhy.ledger.types.quotas import Charge, QuotaName, Quotas, QuotaUsage, Remaining
from seewhy.ledger.types.records import (
    DeliveryState,
    JobEvent,
    JobOutcome,
    JobRecord,
    WebhookStatus,
)
from seewhy.ledger.types.submissions import (
    IdempotencyKey,
    LimitScope,
    QueueLimit,
    QuotaLimit,
    Reservation,
    ReservationStatus,
    Submission,
    SubmissionReceipt,
)
from seewhy.ledger.types.upkeep import (
    SWEEP_LIMIT,
    EpochMarker,
    JobCounts,
    JobRestoration,
    SweepResult,
)
from seewhy.ledger.types.workers import ModelPresence, RegisteredWorker

__all__ = [
    "DISPATCHER_QUEUE",
    "SWEEP_LIMIT",
    "Attempt",
    "Charge",
    "Claim",
    "Completion",
    "Delivery",
    "DeliveryResult",
    "DeliveryState",
    "EpochMarker",
    "FinishReceipt",
    "IdempotencyKey",
    "JobCounts",
    "JobEvent",
    "JobFailure",
    "JobOutcome",
    "JobRecord",
    "JobRestoration",
    "LeaseStatus",
    "LedgerPolicy",
    "LimitScope",
    "ModelPresence",
    "OriginLease",
    "QueueLimit",
    "QuotaLimit",
    "QuotaName",
    "QuotaUsage",
    "Quotas",
    "Redelivery",
    "RegisteredWorker",
    "Remaining",
    "Reservation",
    "ReservationStatus",
    "Submission",
    "SubmissionReceipt",
    "SweepResult",
    "WebhookStatus",
    "is_long",
    "lane_of",
    "lanes_of",
    "model_of",
    "priority_of",
    "wakeup_queue",
]
