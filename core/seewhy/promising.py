"""Promising a job: picture, manifest, ledger, hint, in this order and no other.

From the manifest on the job is durable; from the ledger on it is promised. A failure before the
ledger leaves at most an orphan object, and promises nothing.
"""

import contextlib
from dataclasses import dataclass

from seewhy.errors import StoreUnavailable, Unavailable
from seewhy.hints import Bell
from seewhy.ledger.ledger import Ledger
from seewhy.manifests import Manifest
from seewhy.objects.keys import manifest_key
from seewhy.objects.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be explained, and where it is kept."""

    key: str
    body: bytes
    media_type: str


class Promises:
    """Makes promises. One per process, used by many threads."""

    def __init__(self, *, ledger: Ledger, store: ObjectStore, bell: Bell) -> None:
        """Promise through this ledger, store and bell."""
        self._ledger = ledger
        self._store = store
        self._bell = bell

    def promise(self, manifest: Manifest, picture: Picture) -> None:
        """Promise the job, or raise `Unavailable`. A picture that is there becomes young again."""
        key = manifest_key(manifest.job_id)
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
        if receipt.ring:
            self._bell.ring(manifest.lane)
