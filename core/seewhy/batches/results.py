"""What became of each item of a batch."""

from collections.abc import Iterator
from dataclasses import dataclass

from seewhy.errors import ExplanationGone, ObjectNotFound
from seewhy.ids import item_job_id
from seewhy.jobs.batch_documents import BatchDocuments, BatchOptions, Refusal, StoredItem
from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.types import BatchRecord, JobRecord
from seewhy.schemas.job import JobState

GONE = Refusal(code=ExplanationGone.code, detail="The item is past its retention and was deleted.")


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One item: its job, or its status and the reason without one."""

    index: int
    key: str | None
    status: str
    record: JobRecord | None = None
    error: Refusal | None = None


class BatchResults:
    """Reads items. One per process, used by many threads."""

    def __init__(self, *, batches: BatchLedger, documents: BatchDocuments) -> None:
        """Combine the jobs of `batches` with the items in `documents`."""
        self._batches = batches
        self._documents = documents

    def read(self, batch: BatchRecord, *, first: int = 0) -> Iterator[ItemResult]:
        """Yield the items from index `first` on, in order; one chunk is in memory at a time.

        Raises `Unavailable`.
        """
        items = enumerate(self.read_items(batch, first=first), start=first)
        return (_result(batch, index, item, record) for index, (item, record) in items)

    def read_items(
        self, batch: BatchRecord, *, first: int = 0
    ) -> Iterator[tuple[StoredItem, JobRecord | None]]:
        """Yield each item as it is stored, and its job. Raises `Unavailable`."""
        size = BatchOptions.model_validate_json(batch.batch).items_per_chunk
        while first < batch.total:
            number, offset = divmod(first, size)
            last = min((number + 1) * size, batch.total)
            try:
                items = self._documents.read_chunk(batch.batch_id, number).items[offset:]
            except ObjectNotFound:  # past its retention, like the jobs
                items = (StoredItem(refusal=GONE),) * (last - first)
            ids = [item_job_id(batch.batch_id, index) for index in range(first, last)]
            yield from zip(items, self._batches.read_jobs(ids), strict=True)
            first = last


def _result(
    batch: BatchRecord, index: int, item: StoredItem, record: JobRecord | None
) -> ItemResult:
    if record:
        return ItemResult(index, item.key, record.state, record=record)
    if item.refusal:
        return ItemResult(index, item.key, "refused", error=item.refusal)
    if batch.cancel_requested and (batch.dropped or batch.state.terminal):
        return ItemResult(index, item.key, JobState.CANCELLED)
    if index >= batch.position:
        return ItemResult(index, item.key, "waiting")
    return ItemResult(index, item.key, "gone", error=GONE)
