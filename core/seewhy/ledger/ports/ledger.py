"""The port: what the API, the worker and the sweep may do to jobs.

Invariants, asserted by the contract tests on every implementation:

- I1  every non-terminal job is in `due`, scored by when someone must look at it again;
- I2  an attempt is charged when it is claimed; a job that was in flight in a crash runs next
      time alone, with nothing else held by its owner;
- I3  time is the ledger's, never a caller's;
- I4  a finish needs the current fence;
- I5  accepted - terminal - non-terminal = 0;
- I6  the same idempotency key and request give the same job, also after completion;
- I7  each lane's open jobs are counted, and no submission takes a queue above its limit.
"""

from collections.abc import Sequence
from typing import Protocol

from seewhy.ledger.types import (
    Claim,
    Completion,
    EpochMarker,
    IdempotencyKey,
    JobCounts,
    JobEvent,
    JobFailure,
    JobRecord,
    JobRestoration,
    LeaseStatus,
    QueueLimit,
    Reservation,
    Submission,
    SubmissionReceipt,
    SweepResult,
)
from seewhy.schemas.context import RequestContext


class Ledger(Protocol):
    """Every method is one atomic step and raises `LedgerUnavailable` when Redis is away."""

    def reserve(self, key: IdempotencyKey, job_id: str, *, context: RequestContext) -> Reservation:
        """Bind a key to `job_id`, or to the id that an earlier request bound it to.

        The same key of another tenant is another key.
        """
        ...

    def release_reservation(
        self, key: IdempotencyKey, job_id: str, *, context: RequestContext
    ) -> bool:
        """Free a key whose request failed: the next one takes over its id at once.

        False: the key stands for another job, or its job has been accepted after all.
        """
        ...

    def submit(self, submission: Submission) -> SubmissionReceipt:
        """Accept a job, unless its queue is full. Submitting the same id again changes nothing.

        A job whose fingerprint another has computed gets that success at once; where another is
        about to compute it, the job waits for that one's success or failure, as `cached`.
        """
        ...

    def reached_limit(self, lane: str, *, context: RequestContext) -> QueueLimit | None:
        """Say why a submission would be refused now, or None when there is room."""
        ...

    def claim(self, lanes: Sequence[str], *, owner: str, limit: int) -> list[Claim]:
        """Take up to `limit` ready jobs, earlier lanes first, and charge each an attempt.

        The tenants of a lane take turns, a job each, in the order of their own submissions.
        A quarantined job is taken alone, and only by an owner that holds nothing else; until
        such an owner comes by, the others get nothing from its lanes.
        """
        ...

    def renew(self, claims: Sequence[Claim]) -> list[LeaseStatus]:
        """Renew the leases, in the order given."""
        ...

    def complete(self, completions: Sequence[Completion]) -> list[bool]:
        """Make jobs `succeeded`. False: the fence was stale and nothing changed."""
        ...

    def fail(self, failures: Sequence[JobFailure]) -> list[bool]:
        """Make jobs `failed`, or queue them again while attempts are left."""
        ...

    def release(self, claims: Sequence[Claim], *, retry_in_ms: int = 0) -> list[bool]:
        """Give jobs back unrun, at their old place and uncharged; to be run after a while."""
        ...

    def cancel_claimed(self, claims: Sequence[Claim]) -> list[bool]:
        """Make jobs `cancelled` whose cancellation was asked for while they were claimed."""
        ...

    def cancel(self, job_id: str) -> JobRecord | None:
        """Cancel a queued job; ask for a running one's cancellation; leave a finished one."""
        ...

    def sweep(self, *, limit: int = 500) -> SweepResult:
        """Re-examine up to `limit` overdue jobs: ring, return, quarantine, expire or fail."""
        ...

    def read(self, job_id: str) -> JobRecord | None:
        """Read one job, or None when it is unknown or past its retention."""
        ...

    def queue_position(self, record: JobRecord) -> int | None:
        """Count the jobs of its lane that go before a waiting one, plus one."""
        ...

    def counts(self) -> JobCounts:
        """Read the books in one step."""
        ...

    def events(self, *, after: str, wait_ms: int) -> list[JobEvent]:
        """Read what changed after a position, waiting up to `wait_ms` while nothing has."""
        ...

    def list_unarchived(self, *, limit: int = 100) -> list[JobRecord]:
        """List the oldest outcomes without a result of their own that nobody has `filed` yet."""
        ...

    def mark_archived(self, job_ids: Sequence[str]) -> None:
        """Take note that the object store knows these outcomes."""
        ...

    def list_dead_letters(self, *, limit: int = 1000) -> list[JobRecord]:
        """List the oldest failed jobs that nobody has buried, until their retention is over."""
        ...

    def dismiss(self, job_ids: Sequence[str]) -> int:
        """Leave these jobs out of `dead` from now on; return how many were in it."""
        ...

    def restore(self, restoration: JobRestoration) -> bool:
        """Enter a job that was lost, before all that were accepted since.

        False: its id is known, or its retention is over. A job that is to run is overdue at
        once, so the next sweep rings for it; no claim from before the loss can finish it. Times
        are the id's and the outcome's, the one exception to I3.
        """
        ...

    def epoch_marker(self) -> EpochMarker:
        """Tell whose jobs these are, and whether the server is still the same process."""
        ...

    def acquire_leadership(self, owner: str, *, lease_ms: int, again: bool = False) -> bool:
        """Take the lead in putting the ledger right, or with `again` keep it.

        False: another has it, or with `again`, it is no longer the owner's.
        """
        ...

    def set_epoch(self, epoch: str, *, owner: str) -> bool:
        """Put the marker down and give up the lead. False: it was no longer the owner's."""
        ...

    def check(self) -> None:
        """Return when the ledger can be written to."""
        ...
