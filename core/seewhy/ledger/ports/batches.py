"""Batches: collections of jobs under one id, as the API and its acceptor see them."""

from collections.abc import Sequence
from typing import Protocol

from seewhy.ledger.types import (
    BatchItem,
    BatchProgress,
    BatchReceipt,
    BatchRecord,
    BatchRestoration,
    BatchSubmission,
    JobRecord,
    Quotas,
)


class BatchLedger(Protocol):
    """Accepts batches and counts their jobs. Raises `LedgerUnavailable`.

    Every method but `read_jobs` and `list_unarchived` is one atomic step. The counts of a batch
    change in the step that changes the state of a job.
    """

    def create(self, submission: BatchSubmission) -> BatchReceipt:
        """Accept a batch, unless its tenant has too many. Creating an id again changes nothing."""
        ...

    def read(self, batch_id: str) -> BatchRecord | None:
        """Read one batch; None when it is unknown or past its retention."""
        ...

    def read_jobs(self, job_ids: Sequence[str]) -> list[JobRecord | None]:
        """Read jobs, in the order given; None for those that are unknown."""
        ...

    def lease(self, owner: str, *, lease_ms: int) -> BatchRecord | None:
        """Lease the batch that has waited longest for its acceptor; None if none waits."""
        ...

    def release(self, batch_id: str, owner: str, *, retry_in_ms: int = 0) -> None:
        """Give up a lease. The batch waits for an acceptor again after `retry_in_ms`."""
        ...

    def extend(
        self,
        batch_id: str,
        owner: str,
        *,
        first: int,
        count: int,
        lease_ms: int,
        complete: bool = False,
    ) -> BatchProgress:
        """Add items, from index `first` on, to a batch that is being listed; renew the lease.

        Items that were added before stay as they are. After the last ones, `complete`, the batch is
        accepting.
        """
        ...

    def fail(self, batch_id: str, owner: str, *, code: str, detail: str) -> bool:
        """End a batch whose items cannot be listed. Returns whether `owner` holds the lease."""
        ...

    def submit_many(
        self,
        batch_id: str,
        owner: str,
        items: Sequence[BatchItem],
        *,
        first: int,
        lease_ms: int,
        quotas: Quotas | None = None,
    ) -> BatchProgress:
        """Make jobs of the items from index `first` on, and renew the lease.

        Stops at the first item that a limit refuses. Items that are jobs already stay as they are.
        If cancellation was requested, the others become no jobs.
        """
        ...

    def cancel(self, batch_id: str) -> BatchRecord | None:
        """Request the cancellation of a batch; `cancel_jobs` carries it out in steps.

        Returns the record, unchanged when the batch has ended; None when it is unknown.
        """
        ...

    def cancel_jobs(
        self, batch_id: str, owner: str, job_ids: Sequence[str], *, first: int, lease_ms: int
    ) -> BatchProgress:
        """Cancel the jobs of the items from index `first` on, and renew the lease."""
        ...

    def restore(self, restoration: BatchRestoration) -> bool:
        """Add a lost batch; False when its id is known or its retention is over.

        Jobs of it that had ended must be restored before the acceptor leases it.
        """
        ...

    def list_unarchived(self, *, limit: int = 100) -> list[BatchRecord]:
        """List the batches that ended first of those that are not in the object store yet.

        A batch is listed once the outcomes of its jobs are archived. Therefore an outcome that
        the store keeps refusing, such as for a policy on its key, delays the batches that end
        after it, until its record expires.
        """
        ...

    def mark_archived(self, batch_ids: Sequence[str]) -> None:
        """Remove batches that are now archived from the list."""
        ...
