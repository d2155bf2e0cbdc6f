"""Submitting jobs, as the API does."""

from typing import Protocol

from seewhy.ledger.types import (
    Charge,
    IdempotencyKey,
    QueueLimit,
    QuotaLimit,
    Reservation,
    Submission,
    SubmissionReceipt,
)
from seewhy.schemas.context import RequestContext


class SubmissionLedger(Protocol):
    """Accepts jobs. Every method is one atomic step and raises `LedgerUnavailable`."""

    def reserve(
        self,
        key: IdempotencyKey,
        job_id: str,
        *,
        context: RequestContext,
        epoch: str | None = None,
    ) -> Reservation:
        """Bind a key to `job_id`, or return the job id that it is bound to already.

        With `epoch`, only while the ledger holds all jobs of that epoch.
        """
        ...

    def release_reservation(
        self, key: IdempotencyKey, job_id: str, *, context: RequestContext
    ) -> bool:
        """Free the key of a failed request; the next request with it reuses the job id.

        Returns False when the key is bound to another job, or its job was accepted.
        """
        ...

    def reached_limit(
        self, lane: str, *, context: RequestContext, charge: Charge | None = None
    ) -> QueueLimit | QuotaLimit | None:
        """Return the limit that would refuse a submission now, if any."""
        ...

    def submit(self, submission: Submission, *, charge: Charge | None = None) -> SubmissionReceipt:
        """Accept a job, unless its queue is full or its key has used up a quota.

        Submitting an id again changes nothing. A refused submission takes nothing from the quotas.

        When another job with the same fingerprint has succeeded, the job finishes at once with
        that result. When another one is about to compute it, the job waits for its outcome.
        """
        ...
