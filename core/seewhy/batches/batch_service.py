"""Accept a batch: store its items in chunks, then its manifest, then submit it to the ledger.

The order is the guarantee, as for single jobs: a failure before the ledger leaves objects that
expire and no batch. Items that cannot be explained are refused without failing the others.
"""

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

from seewhy.batches.grouping import chunks_of, windows_of
from seewhy.batches.item_jobs import BatchOwner, ItemJobs, refusal_of
from seewhy.batches.new_batch import AcceptedBatch, NewBatch, RefusedItem, SentItem
from seewhy.batches.results import BatchResults
from seewhy.errors import (
    BadImage,
    BatchTooLarge,
    IdempotencyKeyBusy,
    IdempotencyKeyReused,
    InvalidRequest,
    LedgerUnavailable,
    ResultNotReady,
    SeewhyError,
    StoreUnavailable,
    TooManyBatches,
    Unavailable,
)
from seewhy.ids import item_job_id
from seewhy.jobs.batch_documents import (
    ITEMS_PER_CHUNK,
    BatchDocuments,
    BatchManifest,
    BatchOptions,
    Chunk,
    ListedImages,
    StoredItem,
)
from seewhy.jobs.recovery import Recovery
from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.ports.submission import SubmissionLedger
from seewhy.ledger.types import (
    BatchRecord,
    BatchSubmission,
    IdempotencyKey,
    JobRecord,
    ReservationStatus,
)
from seewhy.schemas.job import JobState

MAX_REFUSALS = 100
"""How many refused items an answer lists; the results list all."""


class BatchService:
    """Accepts batches. One per process, used by many threads."""

    def __init__(
        self,
        *,
        batches: BatchLedger,
        ledger: SubmissionLedger,
        documents: BatchDocuments,
        results: BatchResults,
        jobs: ItemJobs,
        recovery: Recovery,
        threads: Executor,
        max_items: int,
    ) -> None:
        """Prepare items on `threads`; `recovery` knows the epoch of the ledger's jobs."""
        self._batches = batches
        self._ledger = ledger
        self._documents = documents
        self._results = results
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

        Raises `InvalidRequest` when it has no item or none can be listed there, `BatchTooLarge`,
        `TooManyBatches` and `Unavailable`.
        """
        with self._released_on_error(key, batch.owner):
            if batch.options.listed:
                return self._submit_listing(batch, batch.options.listed, key)
            return self._store_and_submit(
                self._items(batch), batch.owner, batch.options, batch.webhook_url, key
            )

    def refused_items(self, batch: BatchRecord) -> tuple[RefusedItem, ...]:
        """List the first items that the submission of a batch refused. Raises `Unavailable`."""
        refused: list[RefusedItem] = []
        size = BatchOptions.model_validate_json(batch.batch).items_per_chunk
        for number in range(math.ceil(batch.total / size) if batch.refused else 0):
            refused += _refusals(self._documents.read_chunk(batch.batch_id, number))
            if len(refused) >= min(MAX_REFUSALS, batch.refused):
                break
        return tuple(refused[:MAX_REFUSALS])

    def retry(self, batch: BatchRecord, owner: BatchOwner) -> BatchSubmission | str:
        """Accept the failed and expired items of an ended batch again, as the batch of `owner`.

        Returns the id of the new batch when it was accepted before. Raises `ResultNotReady` while
        the batch has not ended, `InvalidRequest` when nothing failed or what failed was deleted,
        and as `reserve` and `accept` do.
        """
        if not batch.state.terminal:
            raise ResultNotReady(
                f"The batch is {batch.state}; it can be retried when it has ended."
            )
        if not batch.failed + batch.expired:
            raise InvalidRequest("No item of this batch has failed or expired.")
        key = IdempotencyKey(f"retry of {batch.batch_id}", batch.batch_id)
        batch_id, accepted_before = self.reserve(key, owner)
        if accepted_before:
            return batch_id
        owner = replace(owner, batch_id=batch_id)
        options = BatchOptions.model_validate_json(batch.batch)
        options = options.model_copy(
            update={
                "quotas": owner.quotas,
                "items_per_chunk": ITEMS_PER_CHUNK,
                "listed": None,
                "retry_of": batch.batch_id,
                "retry": options.retry + 1,
            }
        )
        webhook_url = batch.webhook.url if batch.webhook else None
        with self._released_on_error(key, owner):
            items = _repeated_items(self._results.read_items(batch), owner)
            first = next(items, None)
            if first is None:
                raise InvalidRequest(
                    "The failed and expired items of this batch are past their retention."
                )
            items = itertools.chain([first], items)
            return self._store_and_submit(items, owner, options, webhook_url, key).submission

    @contextlib.contextmanager
    def _released_on_error(self, key: IdempotencyKey | None, owner: BatchOwner) -> Iterator[None]:
        """Free a reserved key when its batch is not accepted."""
        try:
            yield
        except SeewhyError:
            if key:
                with contextlib.suppress(LedgerUnavailable):
                    self._ledger.release_reservation(key, owner.batch_id, context=owner.context)
            raise

    def _store_and_submit(
        self,
        items: Iterable[StoredItem],
        owner: BatchOwner,
        options: BatchOptions,
        webhook_url: str | None,
        key: IdempotencyKey | None,
    ) -> AcceptedBatch:
        refused: list[RefusedItem] = []
        total = refused_count = 0
        for number, part in enumerate(chunks_of(items)):
            chunk = Chunk(format=1, batch_id=owner.batch_id, first=total, items=tuple(part))
            self._documents.write_chunk(number, chunk)
            found = _refusals(chunk)
            refused_count += len(found)
            refused += found[: MAX_REFUSALS - len(refused)]
            total += len(part)
        if total == 0:
            raise InvalidRequest("The batch has no items. Send one JSON object on each line.")
        submission = BatchSubmission(
            batch_id=owner.batch_id,
            total=total,
            refused=refused_count,
            batch=options.model_dump_json(),
            key=key,
            context=owner.context,
            webhook_url=webhook_url,
        )
        self._submit(submission)
        return AcceptedBatch(submission, tuple(refused))

    def _submit_listing(
        self, batch: NewBatch, listed: ListedImages, key: IdempotencyKey | None
    ) -> AcceptedBatch:
        """Submit a batch whose items the acceptor lists."""
        self._jobs.check(batch.owner, listed)
        submission = BatchSubmission(
            batch_id=batch.owner.batch_id,
            total=0,
            refused=0,
            batch=batch.options.model_dump_json(),
            key=key,
            context=batch.owner.context,
            webhook_url=batch.webhook_url,
            listing=True,
        )
        self._submit(submission)
        return AcceptedBatch(submission, ())

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
        count = 0
        for window in windows_of(batch.items):
            indices = range(count, count + len(window))
            count += len(window)
            if count > self._max_items:
                raise BatchTooLarge(f"A batch has at most {self._max_items:,} items.")
            for item in self._threads.map(partial(self._prepare, batch.owner), indices, window):
                if item.key is not None and item.key in keys:
                    error = InvalidRequest("An earlier item of this batch has the same key.")
                    yield StoredItem(key=item.key, refusal=refusal_of(error))
                    continue
                keys |= {item.key} if item.key is not None else set()
                yield item

    def _prepare(self, owner: BatchOwner, index: int, sent: SentItem) -> StoredItem:
        key = sent.key
        try:
            parsed = sent.parse()
            key = parsed.key
            item = self._jobs.prepare(owner, index, parsed.source, parsed.request)
        except (InvalidRequest, BadImage) as error:
            return StoredItem(key=key, refusal=refusal_of(error))
        return item.model_copy(update={"key": key})


def _repeated_items(
    items: Iterable[tuple[StoredItem, JobRecord | None]], owner: BatchOwner
) -> Iterator[StoredItem]:
    """Yield the items whose jobs failed or expired, as items of another batch."""
    index = 0
    for item, record in items:
        if item.submission and record and record.state in {JobState.FAILED, JobState.EXPIRED}:
            submission = replace(
                item.submission,
                job_id=item_job_id(owner.batch_id, index),
                batch=owner.batch_id,
                batch_index=index,
                context=owner.context,
            )
            yield item.model_copy(update={"submission": submission})
            index += 1


def _refusals(chunk: Chunk) -> list[RefusedItem]:
    return [
        RefusedItem(index, item.key, item.refusal.code, item.refusal.detail)
        for index, item in enumerate(chunk.items, start=chunk.first)
        if item.refusal and not item.refusal.late
    ]
