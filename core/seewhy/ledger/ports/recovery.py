"""Restoring jobs after Redis has lost them."""

from typing import Protocol

from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.ports.jobs import JobReader
from seewhy.ledger.types import EpochMarker, JobOutcome, JobRestoration


class RecoveryLedger(JobReader, Protocol):
    """Restores jobs. Every method is one atomic step and raises `LedgerUnavailable`."""

    @property
    def batches(self) -> BatchLedger:
        """The batches of the ledger."""
        ...

    def restore(self, restoration: JobRestoration) -> bool:
        """Add a lost job, ahead of all jobs accepted since the loss.

        Returns False when its id is known or its retention is over. A job without an outcome is
        overdue at once, so the next sweep notifies its lane. No claim from before the loss can
        finish it. Its times come from the id and the outcome, the only exception to I3.
        """
        ...

    def restore_outcome(self, job_id: str, outcome: JobOutcome) -> bool:
        """Finish an open job with the outcome that the store has of it.

        Returns False when the job is unknown or finished, or the retention of the outcome is over.
        The job finishes as it would by a report, but at the time of the outcome.
        """
        ...

    def epoch_marker(self) -> EpochMarker:
        """Read which epoch the jobs belong to, and whether the server has restarted since."""
        ...

    def acquire_leadership(self, owner: str, *, lease_ms: int) -> bool:
        """Become the one process that recovers the ledger; False when another is."""
        ...

    def renew_leadership(self, owner: str, *, lease_ms: int) -> bool:
        """Extend the leadership; False when it was lost."""
        ...

    def set_epoch(self, epoch: str, *, owner: str) -> bool:
        """Write the epoch marker and give up the leadership; False when it was lost."""
        ...
