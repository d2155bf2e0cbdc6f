"""Looks up the jobs of requests, and says precisely why one is missing."""

from datetime import UTC, datetime, timedelta

from seewhy.errors import ExplanationGone, LedgerUnavailable, UnknownExplanation
from seewhy.ids import job_time
from seewhy.jobs.recovery import Recovery
from seewhy.ledger.ports.jobs import JobReader
from seewhy.ledger.types import JobRecord
from seewhy.schemas.context import RequestContext


class JobLookup:
    """The only way from a job id in a URL to a job: access rules belong here."""

    def __init__(self, *, ledger: JobReader, recovery: Recovery, retention_s: int) -> None:
        """Read `ledger`, and ask `recovery` whether it is complete."""
        self._ledger = ledger
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
        try:
            age = datetime.now(UTC) - job_time(job_id)
        except ValueError:
            raise UnknownExplanation("There is no explanation with this id.") from None
        if age > timedelta(seconds=self._retention_s):
            raise ExplanationGone(f"Explanation {job_id} is past its retention and was deleted.")
        if not self._recovery.is_complete():
            raise LedgerUnavailable("Redis lost jobs, which are being restored.")
        raise UnknownExplanation("There is no explanation with this id.")
