"""Looks up the jobs and batches of requests, and says precisely why one is missing."""

from datetime import UTC, datetime, timedelta

from seewhy.errors import (
    BatchGone,
    ExplanationGone,
    LedgerUnavailable,
    NotFound,
    SeewhyError,
    UnknownBatch,
    UnknownExplanation,
)
from seewhy.ids import job_time
from seewhy.jobs.recovery import Recovery
from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.ports.jobs import JobReader
from seewhy.ledger.types import BatchRecord, JobRecord
from seewhy.schemas.context import RequestContext


class JobLookup:
    """The only way from an id in a URL to a job or a batch: access rules belong here."""

    def __init__(
        self, *, ledger: JobReader, batches: BatchLedger, recovery: Recovery, retention_s: int
    ) -> None:
        """Read jobs and batches, and ask `recovery` whether the ledger is complete."""
        self._ledger = ledger
        self._batches = batches
        self._recovery = recovery
        self._retention_s = retention_s

    def read_job(self, job_id: str, *, context: RequestContext) -> JobRecord:
        """Read a job's record. Raises the errors of `require_job`."""
        return self.require_job(self._ledger.read(job_id), job_id, context=context)

    def require_job(
        self, record: JobRecord | None, job_id: str, *, context: RequestContext
    ) -> JobRecord:
        """Return a record that was just read, if it belongs to the caller's tenant.

        The job of another tenant is treated like one that was never accepted. Without a record
        raises `ExplanationGone` past the retention, `LedgerUnavailable` while lost jobs are being
        restored, and `UnknownExplanation` otherwise.
        """
        if record is not None and record.context.tenant == context.tenant:
            return record
        raise self._missing(job_id, "explanation", UnknownExplanation, ExplanationGone)

    def read_batch(self, batch_id: str, *, context: RequestContext) -> BatchRecord:
        """Read a batch of the caller's tenant.

        Raises as `require_job` does, with `UnknownBatch` and `BatchGone`.
        """
        batch = self._batches.read(batch_id)
        if batch is not None and batch.context.tenant == context.tenant:
            return batch
        raise self._missing(batch_id, "batch", UnknownBatch, BatchGone)

    def _missing(
        self, sought_id: str, noun: str, unknown: type[NotFound], gone: type[NotFound]
    ) -> SeewhyError:
        try:
            age = datetime.now(UTC) - job_time(sought_id)
        except ValueError:
            return unknown(f"There is no {noun} with this id.")
        if age > timedelta(seconds=self._retention_s):
            return gone(f"This {noun} is past its retention and was deleted.")
        if not self._recovery.is_complete():
            return LedgerUnavailable("Redis lost jobs, which are being restored.")
        return unknown(f"There is no {noun} with this id.")
