"""Records: what the ledger stores of a job, and the events about it."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from seewhy.ledger.types.submissions import PASS_COST, Submission
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext
from seewhy.schemas.job import JobState


class DeliveryState(StrEnum):
    """The state of a webhook."""

    WAITING = "waiting"
    """The job has no outcome yet."""
    PENDING = "pending"
    """Due now, or after a delay."""
    DELIVERED = "delivered"
    REFUSED = "refused"
    """The receiver answered 410: it wants no more messages."""
    EXHAUSTED = "exhausted"
    """The last attempt failed."""


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """A job's webhook and the state of its delivery."""

    url: str
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    detail: str | None = None
    """The result of the latest attempt, in a sentence."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What the ledger stores of one job. Times in ms since 1970, by the ledger's clock."""

    job_id: str
    state: JobState
    lane: str
    job: str
    submitted_ms: int
    context: RequestContext = DEFAULT_CONTEXT
    attempts: int = 0
    crashes: int = 0
    """How many workers were lost while they held the job."""
    exposed_crashes: int = 0
    """How many of them were exposed to it: the evidence against the job."""
    fence: int = 0
    quarantined: bool = False
    """Whether the job runs alone, because a worker was lost while it held the job."""
    exposed: bool = False
    """Whether a worker now runs code on the quarantined job's image that the image may crash."""
    cached: bool = False
    """Whether another job with the same fingerprint computed the outcome."""
    cancel_requested: bool = False
    started_ms: int | None = None
    finished_ms: int | None = None
    deadline_ms: int | None = None
    owner: str | None = None
    result: str | None = None
    error_code: str | None = None
    error_detail: str | None = None
    webhook: WebhookStatus | None = None
    batch: str | None = None
    """The batch whose item it is."""
    batch_index: int | None = None
    cost: int = PASS_COST

    @classmethod
    def accepted(cls, submission: Submission, *, submitted_ms: int) -> Self:
        """Return the record of a job that has just been accepted."""
        shared = {field.name for field in fields(cls)} & {f.name for f in fields(submission)}
        values: dict[str, Any] = {name: getattr(submission, name) for name in shared}
        if submission.deadline_ms is not None:
            values["deadline_ms"] = submitted_ms + submission.deadline_ms
        if submission.webhook_url:
            values["webhook"] = WebhookStatus(submission.webhook_url)
        return cls(state=JobState.QUEUED, submitted_ms=submitted_ms, **values)


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job finished, in the form that the object store archives."""

    state: JobState
    finished_ms: int
    cached: bool = False
    attempts: int = 0
    crashes: int = 0
    exposed_crashes: int = 0
    started_ms: int | None = None
    result: str | None = None
    error_code: str | None = None
    error_detail: str | None = None
    fence: int | None = None
    """The claim that stored the result, if the outcome was read from it."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A job changed its state. `position` orders events and resumes a reader."""

    position: str
    job_id: str
    state: JobState
