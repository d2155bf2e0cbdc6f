"""Batches and their items, as the service returns them."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import Field

from seewhy.client.explanation import Explanation
from seewhy.client.responses import Problem, Response, SecondsLeft, WebhookStatus
from seewhy.ledger.types import BatchState


class ItemCounts(Response):
    """How many items of a batch are in which state."""

    total: int
    waiting: int = Field(description="Not jobs yet.")
    refused: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int

    @property
    def ended(self) -> int:
        """How many items have an outcome."""
        return self.total - self.waiting - self.queued - self.running


class RefusedItem(Problem):
    """An item that cannot be explained, by its index among the items."""

    index: int
    key: str | None = None


class BatchLinks(Response):
    """Paths of related resources, below the service's URL."""

    self: str
    results: str | None = None
    overlays: str | None = None
    events: str | None = None
    cancel: str | None = None
    retry: str | None = None


class Batch(Response):
    """A batch, in the state in which the service returned it."""

    id: str
    status: BatchState
    error: Problem | None = None
    """Why the batch failed."""
    counts: ItemCounts
    cancel_requested: bool = False
    eta_s: SecondsLeft | None = None
    """When it will have ended, in seconds from now."""
    created_at: datetime | None = None
    accepted_at: datetime | None = None
    finished_at: datetime | None = None
    retry_of: str | None = None
    """The batch whose failed and expired items these are."""
    retries: int = 0
    """How many retries led to this batch."""
    webhook: WebhookStatus | None = None
    refused: tuple[RefusedItem, ...] = ()
    """The first hundred refused items, as `create` returns them."""
    links: BatchLinks


class ItemStatus(StrEnum):
    """The status of an item: that of its job, or why there is none."""

    WAITING = "waiting"
    REFUSED = "refused"
    GONE = "gone"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """Whether the item has an outcome."""
        return self not in {ItemStatus.WAITING, ItemStatus.QUEUED, ItemStatus.RUNNING}


class ItemResult(Response):
    """What has become of one item of a batch so far."""

    index: int
    key: str | None = None
    status: ItemStatus
    error: Problem | None = None
    explanation: Explanation | None = None
    """None for an item without a job: one that waits, was refused, or is past its retention."""

    @classmethod
    def parse(cls, line: Any) -> Self:
        """Read one line of the results. Raises `ValidationError`."""
        item = cls.model_validate(line)
        if "id" not in line:
            return item
        return item.model_copy(update={"explanation": Explanation.model_validate(line)})

    def rows(self) -> list[dict[str, Any]]:
        """Return rows as `Explanation.rows` does, with the index and the key of the item."""
        named = {"index": self.index, "key": self.key}
        if self.explanation:
            return [named | row for row in self.explanation.rows()]
        return [named | {"status": self.status.value, "error": self.error and self.error.code}]
