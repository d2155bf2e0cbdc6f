"""Background work on the ledger: sweeping, archiving, monitoring."""

from collections.abc import Sequence
from typing import Protocol

from seewhy.ledger.types import SWEEP_LIMIT, JobCounts, JobRecord, SweepResult


class MaintenanceLedger(Protocol):
    """Sweeps and counts jobs. Every method raises `LedgerUnavailable`."""

    def sweep(self, *, limit: int = SWEEP_LIMIT) -> SweepResult:
        """Check up to `limit` overdue jobs: requeue, quarantine, expire or fail them.

        Also counts the wakeups that each lane with ready jobs needs.
        """
        ...

    def counts(self) -> JobCounts:
        """Read all counters in one step."""
        ...

    def check(self) -> None:
        """Return when the ledger accepts writes."""
        ...


class ArchiveLedger(Protocol):
    """Lists outcomes that the object store does not have yet. Raises `LedgerUnavailable`."""

    def list_unarchived(self, *, limit: int = 100) -> list[JobRecord]:
        """List the oldest outcomes that have no result of their own in the object store."""
        ...

    def mark_archived(self, job_ids: Sequence[str]) -> None:
        """Remove outcomes that are now archived from the list."""
        ...
