"""Batches: collections of jobs under one id, and the answers to operations on them."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from seewhy.ledger.types.records import WebhookStatus
from seewhy.ledger.types.submissions import IdempotencyKey, QueueLimit, QuotaLimit, Submission
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext


class BatchState(StrEnum):
    """The state of a batch. Terminal states never change."""

    LISTING = "listing"
    """Its items are being listed; `total` grows."""
    ACCEPTING = "accepting"
    """Its items are becoming jobs."""
    RUNNING = "running"
    """All items are jobs or were refused; some jobs are unfinished."""
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """Its items cannot be listed; it has none."""

    @property
    def terminal(self) -> bool:
        """Whether all items of the batch have an outcome."""
        return self in {BatchState.FINISHED, BatchState.CANCELLED, BatchState.FAILED}


@dataclass(frozen=True, slots=True)
class BatchSubmission:
    """A batch to accept. Its items are in the object store."""

    batch_id: str
    total: int
    """The number of items, with those that were refused."""
    refused: int
    """The number of items that were refused before the batch was accepted."""
    batch: str
    """JSON for the API; the ledger does not read it."""
    key: IdempotencyKey | None = None
    context: RequestContext = DEFAULT_CONTEXT
    webhook_url: str | None = None
    listing: bool = False
    """Whether its items are listed once it is accepted; `total` is 0 then."""


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What is archived of an ended batch. The counts of its jobs follow from their outcomes."""

    state: BatchState
    created_ms: int
    finished_ms: int
    total: int
    refused: int
    dropped: int = 0
    accepted_ms: int | None = None
    error_code: str | None = None
    error_detail: str | None = None


@dataclass(frozen=True, slots=True)
class BatchRestoration:
    """A batch that the ledger lost.

    Without an outcome, its items become jobs again, except those that had ended.
    """

    submission: BatchSubmission
    created_ms: int
    cancel_requested: bool = False
    outcome: BatchOutcome | None = None


@dataclass(frozen=True, slots=True)
class BatchReceipt:
    """The answer to a submission of a batch."""

    created: bool
    limit_reached: QueueLimit | None = None
    """The limit that refused the batch, if one did."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """An item that becomes a job; without a submission, one that was refused."""

    submission: Submission | None = None
    passes: int = 0
    """The forward passes that are charged to the API key."""
    newly_refused: bool = False
    """Whether it was refused after the batch was accepted, so that it is not counted yet."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far the items of a batch have been listed or have become jobs."""

    held: bool
    """False: the caller no longer holds the lease, and nothing changed."""
    position: int = 0
    """The index of the first item that is not listed, or not a job, yet."""
    limit_reached: QueueLimit | QuotaLimit | None = None
    """The limit that the item at `position` must wait for."""
    wakeups: dict[str, int] = field(default_factory=dict)
    """Lane → how many wakeups it needs."""


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """What the ledger stores of one batch. Times in ms since 1970, by the ledger's clock."""

    batch_id: str
    state: BatchState
    total: int
    batch: str
    created_ms: int
    context: RequestContext = DEFAULT_CONTEXT
    position: int = 0
    """Items from here on are not jobs yet."""
    refused: int = 0
    dropped: int = 0
    """Items that became no jobs because the batch was cancelled."""
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    cancel_requested: bool = False
    cancel_position: int = 0
    """The jobs of items before it are cancelled, or asked to end."""
    acceptor: str | None = None
    """Who holds the lease, or held it last."""
    accepted_ms: int | None = None
    """When the last item became a job."""
    finished_ms: int | None = None
    webhook: WebhookStatus | None = None
    error_code: str | None = None
    error_detail: str | None = None
    last_jobs: tuple[str, ...] = ()
    """In each lane, the last item that had to be computed. The batch ends when they have."""

    @classmethod
    def accepted(cls, submission: BatchSubmission, *, created_ms: int) -> Self:
        """Return the record of a batch that has just been accepted."""
        url = submission.webhook_url
        return cls(
            submission.batch_id,
            BatchState.LISTING if submission.listing else BatchState.ACCEPTING,
            submission.total,
            submission.batch,
            created_ms,
            context=submission.context,
            refused=submission.refused,
            webhook=WebhookStatus(url) if url else None,
        )

    @property
    def open(self) -> int:
        """The number of unfinished jobs."""
        return self.queued + self.running

    @property
    def unaccepted(self) -> int:
        """The number of items that are not jobs yet."""
        return self.total - self.position
