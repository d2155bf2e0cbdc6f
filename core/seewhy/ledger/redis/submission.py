"""Submitting jobs to the Redis ledger."""

from seewhy.ledger.redis.client.encoding import (
    decode_limit,
    decode_usage,
    encode_charge,
    encode_key,
    encode_submission,
    key_digest,
)
from seewhy.ledger.redis.client.scripts import Scripts
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


class RedisSubmission:
    """Implements `seewhy.ledger.ports.submission.SubmissionLedger`."""

    scripts: Scripts

    def reserve(
        self,
        key: IdempotencyKey,
        job_id: str,
        *,
        context: RequestContext,
        epoch: str | None = None,
    ) -> Reservation:
        """Bind a key to `job_id`, or return the job id that it is bound to already."""
        status, bound = self.scripts.call(
            "submission/reserve", key=encode_key(key, context), job_id=job_id, epoch=epoch
        )
        return Reservation(ReservationStatus(status), bound)

    def release_reservation(
        self, key: IdempotencyKey, job_id: str, *, context: RequestContext
    ) -> bool:
        """Free the key of a failed request."""
        digest = key_digest(key, context)
        answer = self.scripts.call("submission/release_reservation", digest=digest, job_id=job_id)
        return bool(answer)

    def reached_limit(
        self, lane: str, *, context: RequestContext, charge: Charge | None = None
    ) -> QueueLimit | QuotaLimit | None:
        """Return the limit that would refuse a submission now, if any."""
        limit = self.scripts.call(
            "submission/reached_limit",
            lane=lane,
            tenant=context.tenant,
            charge=charge and encode_charge(charge, context),
        )
        return decode_limit(limit)

    def submit(self, submission: Submission, *, charge: Charge | None = None) -> SubmissionReceipt:
        """Accept a job, unless its queue is full or its key has used up a quota."""
        created, notify, limit, *usage = self.scripts.call(
            "submission/submit",
            **encode_submission(submission),
            charge=charge and encode_charge(charge, submission.context),
        )
        return SubmissionReceipt(
            submission.job_id,
            created=bool(created),
            notify=bool(notify),
            limit_reached=decode_limit(limit),
            usage=decode_usage(*usage) if usage else None,
        )
