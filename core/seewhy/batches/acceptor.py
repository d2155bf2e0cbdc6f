"""The acceptor: lists the items of accepted batches and turns them into jobs, in chunks.

It works under a lease in the ledger. The ids of the jobs follow from the batch and the index of the
item, so another process can continue at any point, and may repeat what this one did.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor

from seewhy.batches.item_jobs import BatchOwner, ItemJobs
from seewhy.batches.listing import BatchLister
from seewhy.broker.wakeups import WakeupPublisher
from seewhy.errors import LedgerUnavailable, ObjectNotFound, Overloaded, Unavailable
from seewhy.ids import item_job_id, new_job_id
from seewhy.jobs.batch_documents import (
    BatchDocuments,
    BatchOptions,
    Chunk,
    Refusal,
    StoredItem,
)
from seewhy.jobs.recovery import Recovery
from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.types import BatchItem, BatchProgress, BatchRecord, BatchState, Submission
from seewhy.logs.context import about

SLICE_S = 2.0
"""How long one batch is worked on before the next gets its turn."""
MAX_PAUSE_MS = 5_000
"""The longest pause when a queue is full or a quota is used up."""
RETRY_MS = 1_000
FAILURE_RETRY_MS = 30_000

_log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another process continues with the batch."""


class BatchAcceptor:
    """Accepts and cancels batches. One per process; any number of processes may run at once."""

    def __init__(
        self,
        *,
        batches: BatchLedger,
        documents: BatchDocuments,
        jobs: ItemJobs,
        lister: BatchLister,
        wakeups: WakeupPublisher,
        recovery: Recovery,
        threads: Executor,
        lease_s: float,
    ) -> None:
        """Read images on `threads`; a batch of a process that died is free after `lease_s`."""
        self._batches = batches
        self._documents = documents
        self._jobs = jobs
        self._lister = lister
        self._wakeups = wakeups
        self._recovery = recovery
        self._threads = threads
        self._lease_ms = round(lease_s * 1000)
        self._owner = new_job_id()
        self._renewed_s = 0.0

    def accept_batches(self, *, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Work on the batches that wait until none does. Raises `Unavailable`."""
        while not should_stop():
            # While jobs are being restored, an item that ran before the loss would run again.
            if not self._recovery.is_complete():
                return
            batch = self._batches.lease(self._owner, lease_ms=self._lease_ms)
            if batch is None:
                return
            self._renewed_s = time.monotonic()
            with about(batch_id=batch.batch_id, request_id=batch.context.request_id):
                self._work_on(batch, should_stop)

    def _work_on(self, batch: BatchRecord, should_stop: Callable[[], bool]) -> None:
        """Work on a leased batch for a while, and give up the lease if something is left."""
        pause_ms = FAILURE_RETRY_MS
        try:
            # Asked again under the lease: jobs may have been lost since, and a rebuild frees it.
            if not self._recovery.is_complete():
                pause_ms = RETRY_MS
            else:
                pause_ms = self._advance(batch, should_stop)
        except LeaseLost:
            return
        except (Unavailable, Overloaded) as error:
            pause_ms = RETRY_MS
            _log.warning("Cannot continue batch %s: %s", batch.batch_id, error)
            if isinstance(error, LedgerUnavailable):
                with contextlib.suppress(LedgerUnavailable):  # else the lease ends by itself
                    self._batches.release(batch.batch_id, self._owner, retry_in_ms=pause_ms)
                raise
        except Exception:  # noqa: BLE001 - one batch must not stop the others
            _log.exception("Batch %s cannot be continued", batch.batch_id)
        self._batches.release(batch.batch_id, self._owner, retry_in_ms=pause_ms)

    def _advance(self, batch: BatchRecord, should_stop: Callable[[], bool]) -> int:
        """List, submit and cancel chunks; return the pause until the next acceptor, in ms."""
        ends_at = time.monotonic() + SLICE_S

        def is_over() -> bool:
            return time.monotonic() >= ends_at or should_stop()

        options = BatchOptions.model_validate_json(batch.batch)
        if batch.state is BatchState.LISTING:
            self._list_chunks(batch, options, is_over)
            return 0
        owner = BatchOwner(batch.batch_id, batch.context, options.quotas)
        position, accepting = batch.position, batch.state is BatchState.ACCEPTING
        while accepting:
            position, pause_ms = self._submit_chunk(batch, owner, options, position, is_over)
            if pause_ms:
                return pause_ms
            accepting = position < batch.total
            if accepting and is_over():
                return 0
        current = self._batches.read(batch.batch_id)
        if current and current.cancel_requested and not current.state.terminal:
            self._cancel_chunks(current, options, ends_at)
        return 0

    def _list_chunks(
        self, batch: BatchRecord, options: BatchOptions, is_over: Callable[[], bool]
    ) -> None:
        """Add chunks to a batch that is being listed. Raises `LeaseLost` and `Unavailable`."""
        batch_id, total = batch.batch_id, batch.total

        def extend(count: int = 0, *, complete: bool = False) -> None:
            progress = self._batches.extend(
                batch_id,
                self._owner,
                first=total,
                count=count,
                complete=complete,
                lease_ms=self._lease_ms,
            )
            self._check_held(progress)

        for chunk in self._lister.chunks(
            batch_id,
            options,
            first=total,
            only_stored=batch.cancel_requested,
            before_writing=extend,
        ):
            if failure := chunk.failure:
                reason = {"code": failure.code, "detail": failure.detail}
                self._batches.fail(batch_id, self._owner, **reason)
                return
            extend(len(chunk.items), complete=chunk.complete)
            total += len(chunk.items)
            if chunk.complete or is_over():
                return
        extend(complete=True)  # cancelled before everything was listed

    def _submit_chunk(
        self,
        batch: BatchRecord,
        owner: BatchOwner,
        options: BatchOptions,
        position: int,
        is_over: Callable[[], bool],
    ) -> tuple[int, int]:
        """Submit the rest of a chunk, as far as its images could be read before the turn is over.

        Returns the next position and a pause in ms.
        """
        number, offset = divmod(position, options.items_per_chunk)
        chunk, pause_ms = self._read_chunk(batch, options, number), 0
        ready = len(chunk.items)
        if any(item.image for item in chunk.items) and not batch.cancel_requested:
            chunk, pause_ms = self._resolve(owner, chunk, is_over)
            self._renew(batch.batch_id)  # another process may have written the chunk otherwise
            self._documents.write_chunk(number, chunk)
            ready = next((n for n, item in enumerate(chunk.items) if item.image), ready)
        progress = self._batches.submit_many(
            batch.batch_id,
            self._owner,
            [
                _to_submit(batch.batch_id, index, item)
                for index, item in enumerate(chunk.items[offset:ready], start=position)
                if index < batch.total
            ],
            first=position,
            lease_ms=self._lease_ms,
            quotas=options.quotas,
        )
        self._check_held(progress)
        for lane, times in progress.wakeups.items():
            self._wakeups.notify(lane, times=times)
        limit = progress.limit_reached
        if limit:
            pause_ms = max(pause_ms, min(limit.retry_in_ms, MAX_PAUSE_MS))
        return progress.position, pause_ms

    def _read_chunk(self, batch: BatchRecord, options: BatchOptions, number: int) -> Chunk:
        """Read a chunk. If it expired because the batch waited so long, its items are refused."""
        try:
            return self._documents.read_chunk(batch.batch_id, number)
        except ObjectNotFound:
            first = number * options.items_per_chunk
            refusal = Refusal(
                code="batch_gone", detail="The item expired before it became a job.", late=True
            )
            count = min(options.items_per_chunk, batch.total - first)
            items = tuple(StoredItem(refusal=refusal) for _ in range(count))
            return Chunk(format=1, batch_id=batch.batch_id, first=first, items=items)

    def _resolve(
        self, owner: BatchOwner, chunk: Chunk, is_over: Callable[[], bool]
    ) -> tuple[Chunk, int]:
        """Read the images that items name, until the turn is over or one cannot be read now.

        Returns the chunk with what was read, and a pause in ms. Raises `LeaseLost`.
        """
        items = list(chunk.items)
        named = [number for number, item in enumerate(items) if item.image]
        size = self._jobs.images_at_once(chunk.items)
        pause_ms = 0

        def resolve(number: int) -> StoredItem:
            nonlocal pause_ms
            try:
                return self._jobs.resolve(owner, chunk.first + number, items[number])
            except (Unavailable, Overloaded) as error:
                _log.warning("Cannot read an image of batch %s now: %s", owner.batch_id, error)
                pause_ms = RETRY_MS
                return items[number]

        for start in range(0, len(named), size):
            self._renew(owner.batch_id)
            window = named[start : start + size]
            for number, item in zip(window, self._threads.map(resolve, window), strict=True):
                items[number] = item
            if pause_ms or is_over():
                break
        return chunk.model_copy(update={"items": tuple(items)}), pause_ms

    def _renew(self, batch_id: str) -> None:
        """Renew the lease in time. Raises `LeaseLost`."""
        if time.monotonic() - self._renewed_s < self._lease_ms / 3000:
            return
        self._check_held(
            self._batches.submit_many(batch_id, self._owner, [], first=0, lease_ms=self._lease_ms)
        )

    def _check_held(self, progress: BatchProgress) -> None:
        """Note that the lease was renewed. Raises `LeaseLost`."""
        if not progress.held:
            raise LeaseLost
        self._renewed_s = time.monotonic()

    def _cancel_chunks(self, batch: BatchRecord, options: BatchOptions, ends_at: float) -> None:
        position = batch.cancel_position
        while position < batch.total and time.monotonic() < ends_at:
            last = min(position + options.items_per_chunk, batch.total)
            ids = [item_job_id(batch.batch_id, index) for index in range(position, last)]
            progress = self._batches.cancel_jobs(
                batch.batch_id, self._owner, ids, first=position, lease_ms=self._lease_ms
            )
            if not progress.held:  # the last job has ended
                return
            position = progress.position


def _to_submit(batch_id: str, index: int, item: StoredItem) -> BatchItem:
    if item.submission:
        return BatchItem(item.submission, passes=item.passes)
    if item.image:  # left only in a cancelled batch, where it is dropped
        return BatchItem(Submission(item_job_id(batch_id, index), lane="", job=""))
    return BatchItem(newly_refused=item.refusal is not None and item.refusal.late)
