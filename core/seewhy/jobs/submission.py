"""Promising a job: picture, manifest, ledger, hint, in this order and no other.

From the manifest on the job is durable; from the ledger on it is promised. A failure before the
ledger leaves at most an orphan object, and promises nothing.
"""

import contextlib
import math
from dataclasses import dataclass

from seewhy.broker.wakeups import WakeupPublisher
from seewhy.errors import QueueFull, StoreUnavailable, TenantQueueFull, Unavailable
from seewhy.jobs.manifest import Manifest
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import LimitScope, QueueLimit
from seewhy.storage.keys import manifest_key
from seewhy.storage.port import ObjectStore


@dataclass(frozen=True, slots=True)
class UploadedImage:
    """What is to be explained, and where it is kept."""

    key: str
    body: bytes
    media_type: str


class JobSubmitter:
    """Makes promises. One per process, used by many threads."""

    def __init__(self, *, ledger: Ledger, store: ObjectStore, wakeups: WakeupPublisher) -> None:
        """Promise through this ledger, store and wakeups."""
        self._ledger = ledger
        self._store = store
        self._wakeups = wakeups

    def submit(self, manifest: Manifest, picture: UploadedImage) -> None:
        """Promise the job, or raise `Unavailable` or `Crowded`.

        A picture that is there becomes young again.
        """
        key = manifest_key(manifest.job_id)
        # Asked first, so that a crowd costs the store nothing; submitting is what counts.
        _refuse(self._ledger.reached_limit(manifest.lane, context=manifest.context))
        self._store.put(picture.key, picture.body, content_type=picture.media_type)
        self._store.put(key, manifest.model_dump_json().encode(), content_type="application/json")
        try:
            receipt = self._ledger.submit(manifest.submission)
        except Unavailable:
            # What was not promised must not come back to life when the ledger is rebuilt. But the
            # ledger may have taken it before it fell silent: a retry with the key is then promised
            # this very job, which needs its manifest.
            if manifest.key is None:
                with contextlib.suppress(StoreUnavailable):
                    self._store.delete(key)
            raise
        if receipt.limit_reached:
            with contextlib.suppress(StoreUnavailable):
                self._store.delete(key)
            _refuse(receipt.limit_reached)
        if receipt.notify:
            self._wakeups.notify(manifest.lane)


def _refuse(crowd: QueueLimit | None) -> None:
    if crowd is None:
        return
    retry_after_s = math.ceil(crowd.retry_in_ms / 1000)
    if crowd.limit is LimitScope.TENANT:
        message = "you have as many explanations waiting for this model as you may"
        raise TenantQueueFull(message, retry_after_s=retry_after_s)
    message = "as many explanations wait for this model as it may have"
    raise QueueFull(message, retry_after_s=retry_after_s)
