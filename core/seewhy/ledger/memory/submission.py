"""Submitting jobs to the in-memory ledger."""

from seewhy.ledger.memory.state.acceptance import add_job
from seewhy.ledger.memory.state.admission import reached_limit
from seewhy.ledger.memory.state.queues import make_ready, wakeups_needed
from seewhy.ledger.memory.state.quotas import reached_quota, take_quota
from seewhy.ledger.memory.state.state import StateOwner
from seewhy.ledger.types import (
    Charge,
    IdempotencyKey,
    QueueLimit,
    QuotaLimit,
    Reservation,
    ReservationStatus,
    Submission,
    SubmissionReceipt,
)
from seewhy.schemas.context import RequestContext


class MemorySubmission(StateOwner):
    """Implements `seewhy.ledger.ports.submission.SubmissionLedger`."""

    def reserve(
        self,
        key: IdempotencyKey,
        job_id: str,
        *,
        context: RequestContext,
        epoch: str | None = None,
    ) -> Reservation:
        """Bind a key to `job_id`, or return the job id that it is bound to already."""
        with self._state.changed:
            if epoch and self._state.epoch != epoch:
                return Reservation(ReservationStatus.INCOMPLETE, job_id)
            bound = self._state.find_key(key, context)
            if bound and bound.request_digest != key.request_digest:
                return Reservation(ReservationStatus.REUSED, bound.job_id)
            if bound and bound.accepted:
                return Reservation(ReservationStatus.ACCEPTED, bound.job_id)
            if bound and self._state.now() < bound.reserved_until_ms:
                return Reservation(ReservationStatus.BUSY, bound.job_id)
            reserved_id = bound.job_id if bound else job_id
            self._state.bind_key(key, context, reserved_id, accepted=False)
            return Reservation(ReservationStatus.NEW, reserved_id)

    def release_reservation(
        self, key: IdempotencyKey, job_id: str, *, context: RequestContext
    ) -> bool:
        """Free the key of a failed request."""
        with self._state.changed:
            bound = self._state.keys.get((context.tenant, key.key))
            if bound is None or bound.job_id != job_id or bound.accepted:
                return False
            bound.reserved_until_ms = 0
            return True

    def reached_limit(
        self, lane: str, *, context: RequestContext, charge: Charge | None = None
    ) -> QueueLimit | QuotaLimit | None:
        """Return the limit that would refuse a submission now, if any."""
        with self._state.changed:
            if limit := reached_limit(self._state, lane, context.tenant):
                return limit
            return reached_quota(self._state, lane, context, charge) if charge else None

    def submit(self, submission: Submission, *, charge: Charge | None = None) -> SubmissionReceipt:
        """Accept a job, unless its queue is full or its key has used up a quota."""
        state, job_id, context = self._state, submission.job_id, submission.context
        with state.changed:
            if job_id in state.entries:
                return SubmissionReceipt(job_id, created=False, notify=False)
            if limit := self.reached_limit(submission.lane, context=context, charge=charge):
                return SubmissionReceipt(job_id, created=False, notify=False, limit_reached=limit)
            if submission.key:
                state.bind_key(submission.key, context, job_id, accepted=True)
            computes = add_job(state, submission)
            usage = take_quota(state, job_id, charge, computes=computes) if charge else None
            if not computes:
                return SubmissionReceipt(job_id, created=True, notify=False, usage=usage)
            make_ready(state, job_id)
            notify = wakeups_needed(state, submission.lane) > 0
            return SubmissionReceipt(job_id, created=True, notify=notify, usage=usage)
