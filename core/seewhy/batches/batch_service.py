"""Accept a batch: store its items in chunks, then its manifest, then submit it to the ledger.

The order is the guarantee, as for single jobs: a failure before the ledger leaves objects that
expire and no batch. Items that cannot be explained are refused without failing the others.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from seewhy.batches.item_jobs import BatchOwner, ItemJobs, refusal_of
from seewhy.errors import (
    BadImage,
    BatchTooLarge,
    IdempotencyKeyBusy,
    IdempotencyKeyReused,
    InvalidRequest,
    LedgerUnavailable,
    SeewhyError,
    StoreUnavailable,
    TooManyBatches,
    Unavailable,
)
from seewhy.jobs.batch_documents import (
    ITEMS_PER_CHUNK,
    BatchDocuments,
    BatchManifest,
    BatchOptions,
    Chunk,
    StoredItem,
)
from seewhy.jobs.image_sources import ImageSource
from seewhy.jobs.recovery import Recovery
from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.ports.submission import SubmissionLedger
from seewhy.ledger.types import BatchRecord, BatchSubmission, IdempotencyKey, ReservationStatus
from seewhy.schemas.request import ExplanationRequest

WINDOW_ITEMS = 16
WINDOW_BYTES = 16_000_000
"""How much of a batch is in memory at once, apart from one item that is larger."""
MAX_REFUSALS = 100
"""How many refused items an answer lists; the results list all."""


@dataclass(frozen=True, slots=True)
class ParsedItem:
    """An item as its client sent it."""

    source: ImageSource
    request: ExplanationRequest
    key: str | None = None


ParseItem = Callable[[bytes], ParsedItem]
"""Parses one item. Raises `InvalidRequest` or `BadImage`."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to accept."""

    lines: Iterable[bytes]
    """Its items, in a form that `parse` reads; read once."""
    parse: ParseItem
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


class BatchService:
    """Accepts batches. One per process, used by many threads."""

    def __init__(
        self,
        *,
        batches: BatchLedger,
        ledger: SubmissionLedger,
        documents: BatchDocuments,
        jobs: ItemJobs,
        recovery: Recovery,
        threads: Executor,
        max_items: int,
    ) -> None:
        """Prepare items on `threads`; `recovery` knows the epoch of the ledger's jobs."""
        self._batches = batches
        self._ledger = ledger
        self._documents = documents
        self._jobs = jobs
        self._recovery = recovery
        self._threads = threads
        self._max_items = max_items

    def reserve(self, key: IdempotencyKey, owner: BatchOwner) -> tuple[str, bool]:
        """Bind a key to a batch; return the id of the batch, and whether it was accepted before.

        Raises `IdempotencyKeyReused`, `IdempotencyKeyBusy` and `Unavailable`.
        """
        reservation = self._ledger.reserve(
            key, owner.batch_id, context=owner.context, epoch=self._recovery.epoch()
        )
        if reservation.status is ReservationStatus.INCOMPLETE:
            raise LedgerUnavailable("Redis lost jobs, which are being restored.")
        if reservation.status is ReservationStatus.REUSED:
            raise IdempotencyKeyReused("This Idempotency-Key was used with a different request.")
        if reservation.status is ReservationStatus.BUSY:
            raise IdempotencyKeyBusy("A request with this Idempotency-Key is in progress.")
        return reservation.job_id, reservation.status is ReservationStatus.ACCEPTED

    def accept(self, batch: NewBatch, *, key: IdempotencyKey | None = None) -> AcceptedBatch:
        """Accept a batch; a `key` must be reserved for its id.

        Raises `InvalidRequest` when it has no item, `BatchTooLarge`, `TooManyBatches` and
        `Unavailable`.
        """
        try:
            return self._accept(batch, key)
        except SeewhyError:
            if key:
                with contextlib.suppress(LedgerUnavailable):
                    self._ledger.release_reservation(
                        key, batch.owner.batch_id, context=batch.owner.context
                    )
            raise

    def refused_items(self, batch: BatchRecord) -> tuple[RefusedItem, ...]:
        """List the first items that the submission of a batch refused. Raises `Unavailable`."""
        refused: list[RefusedItem] = []
        size = BatchOptions.model_validate_json(batch.batch).items_per_chunk
        for number in range(math.ceil(batch.total / size) if batch.refused else 0):
            refused += _refusals(self._documents.read_chunk(batch.batch_id, number))
            if len(refused) >= min(MAX_REFUSALS, batch.refused):
                break
        return tuple(refused[:MAX_REFUSALS])

    def _accept(self, batch: NewBatch, key: IdempotencyKey | None) -> AcceptedBatch:
        owner = batch.owner
        refused: list[RefusedItem] = []
        total = refused_count = 0
        for number, items in enumerate(_chunks(self._items(batch))):
            chunk = Chunk(format=1, batch_id=owner.batch_id, first=total, items=tuple(items))
            self._documents.write_chunk(number, chunk)
            found = _refusals(chunk)
            refused_count += len(found)
            refused += found[: MAX_REFUSALS - len(refused)]
            total += len(items)
        if total == 0:
            raise InvalidRequest("The batch has no items. Send one JSON object on each line.")
        submission = BatchSubmission(
            batch_id=owner.batch_id,
            total=total,
            refused=refused_count,
            batch=batch.options.model_dump_json(),
            key=key,
            context=owner.context,
            webhook_url=batch.webhook_url,
        )
        self._submit(submission)
        return AcceptedBatch(submission, tuple(refused))

    def _submit(self, submission: BatchSubmission) -> None:
        self._documents.write_manifest(BatchManifest(format=1, submission=submission))
        try:
            receipt = self._batches.create(submission)
        except Unavailable:
            # As for single jobs: with a key the manifest stays, because the ledger may have
            # accepted the batch, and a retry with the key then returns it.
            if submission.key is None:
                self._withdraw(submission.batch_id)
            raise
        if receipt.limit_reached:
            self._withdraw(submission.batch_id)
            raise TooManyBatches(
                "You have as many unfinished batches as you may have. Retry when one has ended.",
                retry_after_s=math.ceil(receipt.limit_reached.retry_in_ms / 1000),
            )

    def _withdraw(self, batch_id: str) -> None:
        with contextlib.suppress(StoreUnavailable):
            self._documents.delete_manifest(batch_id)

    def _items(self, batch: NewBatch) -> Iterator[StoredItem]:
        """Yield the items, in order, as they are stored. Raises `BatchTooLarge`."""
        keys: set[str] = set()

        def prepare(numbered: tuple[int, bytes]) -> StoredItem:
            return self._prepare(batch, *numbered)

        for window in _windows(enumerate(batch.lines)):
            if window[-1][0] >= self._max_items:
                raise BatchTooLarge(f"A batch has at most {self._max_items:,} items.")
            for item in self._threads.map(prepare, window):
                if item.key is not None and item.key in keys:
                    error = InvalidRequest("An earlier item of this batch has the same key.")
                    yield StoredItem(key=item.key, refusal=refusal_of(error))
                    continue
                keys |= {item.key} if item.key is not None else set()
                yield item

    def _prepare(self, batch: NewBatch, index: int, line: bytes) -> StoredItem:
        key = None
        try:
            parsed = batch.parse(line)
            key = parsed.key
            item = self._jobs.prepare(batch.owner, index, parsed.source, parsed.request)
        except (InvalidRequest, BadImage) as error:
            return StoredItem(key=key, refusal=refusal_of(error))
        return item.model_copy(update={"key": key})


def _refusals(chunk: Chunk) -> list[RefusedItem]:
    return [
        RefusedItem(index, item.key, item.refusal.code, item.refusal.detail)
        for index, item in enumerate(chunk.items, start=chunk.first)
        if item.refusal and not item.refusal.late
    ]


def _windows(lines: Iterable[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """Group lines so that few of them are in memory."""
    window: list[tuple[int, bytes]] = []
    size_bytes = 0
    for numbered in lines:
        if window and (len(window) == WINDOW_ITEMS or size_bytes + len(numbered[1]) > WINDOW_BYTES):
            yield window
            window, size_bytes = [], 0
        window.append(numbered)
        size_bytes += len(numbered[1])
    if window:
        yield window


def _chunks(items: Iterable[StoredItem]) -> Iterator[list[StoredItem]]:
    chunk: list[StoredItem] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == ITEMS_PER_CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
