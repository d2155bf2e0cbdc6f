"""Claiming, running and finishing jobs, as a worker does."""

from collections.abc import Sequence
from typing import Protocol

from seewhy.ledger.types import Claim, Completion, FinishReceipt, JobFailure, LeaseStatus


class ClaimLedger(Protocol):
    """Hands out jobs under leases. Every method is one atomic step; raises `LedgerUnavailable`."""

    def claim(
        self,
        lanes: Sequence[str],
        *,
        owner: str,
        limit: int,
        max_cost: int | None = None,
        quarantine_lanes: Sequence[str] = (),
    ) -> list[Claim]:
        """Take up to `limit` ready jobs, earlier lanes first, and charge each an attempt.

        Several jobs cost at most `max_cost` together, in the unit of `Submission.cost`, and each
        about as much as the first (`LedgerPolicy.max_cost_ratio`): the claim ends before a job that
        does not fit.

        Within a lane the tenants take turns, so that the jobs of each cost the same together. A
        quarantined job, also of the `quarantine_lanes`, is claimed first and alone, and only by an
        owner that holds no other job; until then no lane yields another job.

        One step passes over a limited number of expired jobs, so fewer jobs than are ready may be
        taken, and none only when none is ready.

        The fence of a job from before a possible loss of writes is above that of every claim that
        may have been lost.
        """
        ...

    def renew(self, claims: Sequence[Claim]) -> list[LeaseStatus]:
        """Renew leases and return their states, in the order given."""
        ...

    def complete(self, completions: Sequence[Completion]) -> FinishReceipt:
        """Make jobs `succeeded`. What they cost beyond what was expected counts in later turns."""
        ...

    def fail(self, failures: Sequence[JobFailure]) -> FinishReceipt:
        """Make jobs `failed`, or queue them again while attempts are left."""
        ...

    def release(self, claims: Sequence[Claim], *, retry_in_ms: int = 0) -> list[bool]:
        """Return jobs unrun and uncharged to their place in the queue, after a delay."""
        ...

    def set_exposed(self, claim: Claim, *, exposed: bool) -> bool:
        """Record whether the worker of a quarantined job is exposed to it: a crash is evidence.

        False: the claim was lost, or the job is not quarantined. Every report on the claim ends
        the exposure.
        """
        ...

    def cancel_claimed(self, claims: Sequence[Claim]) -> list[bool]:
        """Make jobs `cancelled` that their clients asked to cancel."""
        ...
