"""Finding a job's record, or saying truly why there is none."""

from datetime import UTC, datetime, timedelta

from seewhy.errors import ExplanationGone, LedgerUnavailable, UnknownExplanation
from seewhy.ids import job_time
from seewhy.jobs.recovery import Recovery
from seewhy.ledger.types import JobRecord


class JobLookup:
    """Tells a job that never was from one that is forgotten, and from one that is being found."""

    def __init__(self, *, recovery: Recovery, retention_s: int) -> None:
        """Ask `recovery` whether the ledger is whole."""
        self._recovery = recovery
        self._retention_s = retention_s

    def require_job(self, record: JobRecord | None, job_id: str) -> JobRecord:
        """Return the record, if there is one.

        Raises `ExplanationGone` past the retention, `LedgerUnavailable` while lost jobs are
        brought back, and else `UnknownExplanation`.
        """
        if record is not None:
            return record
        try:
            age = datetime.now(UTC) - job_time(job_id)
        except ValueError:
            raise UnknownExplanation("there is no explanation with this id") from None
        if age > timedelta(seconds=self._retention_s):
            raise ExplanationGone(f"explanation {job_id} is past its retention")
        if not self._recovery.is_complete():
            raise LedgerUnavailable("Redis has lost jobs, and they are being brought back")
        raise UnknownExplanation("there is no explanation with this id")
