"""A new batch: what its client sent, and which items were accepted and refused."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from seewhy.batches.item_jobs import BatchOwner
from seewhy.jobs.batch_documents import BatchOptions
from seewhy.jobs.image_sources import ImageSource
from seewhy.ledger.types import BatchSubmission
from seewhy.schemas.request import ExplanationRequest


@dataclass(frozen=True, slots=True)
class ParsedItem:
    """An item as its client sent it."""

    source: ImageSource
    request: ExplanationRequest
    key: str | None = None


@dataclass(frozen=True, slots=True)
class SentItem:
    """An item before it is parsed."""

    size_bytes: int
    """How much of it is in memory once it is parsed."""
    parse: Callable[[], ParsedItem]
    """Raises `InvalidRequest` or `BadImage`."""
    key: str | None = None
    """Its key, if that is known before it is parsed."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to accept."""

    items: Iterable[SentItem]
    """Read once, in order. Empty when they are listed."""
    owner: BatchOwner
    options: BatchOptions
    webhook_url: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An item that was refused."""

    index: int
    key: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """An accepted batch, and the first items that were refused."""

    submission: BatchSubmission
    refused: tuple[RefusedItem, ...]
