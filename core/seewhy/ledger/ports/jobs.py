"""Jobs as the API's clients see them."""

from typing import Protocol

from seewhy.ledger.types import JobEvent, JobRecord, WorkAhead


class JobReader(Protocol):
    """Reads jobs."""

    def read(self, job_id: str) -> JobRecord | None:
        """Read one job; None when it is unknown or past its retention."""
        ...


class JobLedger(JobReader, Protocol):
    """Reads and cancels jobs. All methods raise `LedgerUnavailable`.

    Every method but `latest` is one atomic step.
    """

    def cancel(self, job_id: str) -> JobRecord | None:
        """Cancel a queued job or request the cancellation of a running one.

        Returns the record, unchanged when the job is finished; None when it is unknown.
        """
        ...

    def work_ahead(self, job_id: str, *, more: int = 0) -> WorkAhead | None:
        """Return what must be done before a job has its outcome; None when that is unknown.

        For a duplicate, before its original has. `more` jobs of the tenant are added before it.
        An estimate when more than 100 tenants have a turn before the job's: counting all of them
        would take too long.
        """
        ...

    def latest(self, tenant: str, *, before: str | None = None, limit: int) -> list[JobRecord]:
        """List the latest jobs of a tenant, the newest first: those older than the id `before`.

        Fewer than `limit` means that there are no others. Not one atomic step. Of a tenant with
        more jobs, the `LedgerPolicy.max_latest` newest are listed.
        """
        ...

    def events(self, *, after: str, wait_ms: int) -> list[JobEvent]:
        """Read the events after a position, waiting up to `wait_ms` for the first."""
        ...
