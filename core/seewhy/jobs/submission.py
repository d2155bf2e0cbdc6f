"""Submission: image, then manifest, then ledger, then wakeup.

The manifest makes a job durable; the ledger makes it accepted. A failure before the ledger leaves
at most an orphaned object and no accepted job.
"""

import contextlib
import math
from dataclasses import dataclass

from seewhy.broker.wakeups import WakeupPublisher
from seewhy.errors import (
    Overloaded,
    QueueFull,
    QuotaExceeded,
    StoreUnavailable,
    TenantQueueFull,
    TenantRecordsFull,
    Unavailable,
)
from seewhy.jobs.manifest import Manifest
from seewhy.ledger.ports.submission import SubmissionLedger
from seewhy.ledger.types import (
    Charge,
    LimitScope,
    QueueLimit,
    QuotaLimit,
    QuotaName,
    QuotaUsage,
)
from seewhy.schemas.context import RequestContext
from seewhy.storage.keys import manifest_key
from seewhy.storage.port import ObjectStore


@dataclass(frozen=True, slots=True)
class UploadedImage:
    """An encoded image with its key in the object store."""

    key: str
    body: bytes
    media_type: str


class JobSubmitter:
    """Submits jobs. One per process, shared by its threads."""

    def __init__(
        self, *, ledger: SubmissionLedger, store: ObjectStore, wakeups: WakeupPublisher
    ) -> None:
        """Submit to this ledger and store, and publish wakeups."""
        self._ledger = ledger
        self._store = store
        self._wakeups = wakeups

    def require_room(
        self, lane: str, *, context: RequestContext, charge: Charge | None = None
    ) -> None:
        """Raise `Overloaded` if a submission would be refused now: it then costs no image."""
        raise_if_reached(self._ledger.reached_limit(lane, context=context, charge=charge))

    def submit(
        self, manifest: Manifest, image: UploadedImage, *, charge: Charge | None = None
    ) -> QuotaUsage | None:
        """Submit a job, and with a charge return what is left of the quotas.

        Re-uploading an image renews its retention. Raises `Overloaded` when a queue limit or a
        quota is reached, and `Unavailable`.
        """
        key = manifest_key(manifest.job_id)
        submission = manifest.submission
        self._store.put(image.key, image.body, content_type=image.media_type)
        self._store.put(key, manifest.model_dump_json().encode(), content_type="application/json")
        try:
            receipt = self._ledger.submit(submission, charge=charge)
        except Unavailable:
            # A rebuild must not revive a rejected job. With an idempotency key the manifest stays:
            # the ledger may have accepted the job, and a retry with the key then returns it.
            if submission.key is None:
                self._delete(key)
            raise
        if receipt.limit_reached:
            self._delete(key)
            raise_if_reached(receipt.limit_reached)
        if receipt.notify:
            self._wakeups.notify(submission.lane)
        return receipt.usage

    def _delete(self, key: str) -> None:
        with contextlib.suppress(StoreUnavailable):
            self._store.delete(key)


_QUOTA_MESSAGES = {
    QuotaName.OPEN_JOBS: "This API key has as many unfinished jobs as it may have. Retry later.",
    QuotaName.SUBMISSIONS: "This API key has used up its submissions of this minute. Retry later.",
    QuotaName.PASSES: "This API key has not enough forward passes left in this minute. Retry "
    "later, or request less.",
    QuotaName.UPLOADS: "This API key has used up its uploads of this minute. Retry later.",
    QuotaName.UPLOADED_BYTES: "This API key has not enough bytes left to upload in this minute. "
    "Retry later.",
}


def raise_if_reached(limit: QueueLimit | QuotaLimit | None) -> None:
    """Raise the `Overloaded` of a limit that was reached."""
    if limit is not None:
        raise error_of(limit)


def error_of(limit: QueueLimit | QuotaLimit) -> Overloaded:
    """Return the error of a limit that was reached."""
    retry_after_s = math.ceil(limit.retry_in_ms / 1000)
    if isinstance(limit, QuotaLimit):
        return QuotaExceeded(
            _QUOTA_MESSAGES[limit.name],
            retry_after_s=retry_after_s,
            quota=limit.name,
            remaining=limit.remaining,
        )
    if limit.scope is LimitScope.TENANT:
        message = "Tenant queue limit reached for this model. Retry later."
        return TenantQueueFull(message, retry_after_s=retry_after_s)
    if limit.scope is LimitScope.RECORDS:
        message = (
            "The service keeps too many records of your cancelled, expired and cached explanations."
            " Retry when the oldest have expired."
        )
        return TenantRecordsFull(message, retry_after_s=retry_after_s)
    message = "Queue limit reached for this model. Retry later."
    return QueueFull(message, retry_after_s=retry_after_s)
