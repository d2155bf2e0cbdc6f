"""Recovery: noticing that Redis has lost jobs, and bringing them back.

A marker stands in the ledger and in the store. Where the ledger's is gone, all was lost; where it
was put down by another server process, the last second may have been (`appendfsync everysec`).
"""

import logging
from collections.abc import Callable

from seewhy.errors import ObjectNotFound
from seewhy.ids import new_job_id
from seewhy.jobs.rebuild import Rebuilder, RebuildProgress
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import EpochMarker
from seewhy.storage.keys import EPOCH_KEY
from seewhy.storage.port import ObjectStore

LEASE_MS = 60_000
HOURS_AFTER_RESTART = 2

_log = logging.getLogger(__name__)


class Recovery:
    """Looks after the marker. One per API process; any number may run at once."""

    def __init__(self, *, ledger: Ledger, store: ObjectStore, retention_s: int) -> None:
        """Rebuild this ledger from this store."""
        self._ledger = ledger
        self._store = store
        self._rebuilder = Rebuilder(ledger=ledger, store=store, retention_s=retention_s)
        self._owner = new_job_id()
        self._epoch: str | None = None

    def recover(self, *, go_on: Callable[[], bool] = lambda: True) -> RebuildProgress | None:
        """Rebuild if jobs may have been lost; None when there was no need, or not for us.

        Stops when `go_on()` is false; the next to look begins anew. Raises `Unavailable`.
        """
        self._epoch = self._epoch or self._stored_epoch()
        marker = self._ledger.epoch_marker()
        if self._epoch and self._agrees(marker):
            return None
        if not self._ledger.acquire_leadership(self._owner, lease_ms=LEASE_MS):
            return None
        self._epoch = self._epoch or self._stored_epoch()
        if self._epoch is None:
            self._found(marker.epoch or new_job_id())
            return None
        hours = HOURS_AFTER_RESTART if marker.epoch == self._epoch else None
        return self._rebuild(self._epoch, hours, go_on)

    def is_complete(self) -> bool:
        """Whether the ledger still has all that was promised; if not, it is being put right.

        Raises `Unavailable`.
        """
        self._epoch = self._epoch or self._stored_epoch()
        return self._epoch is None or self._agrees(self._ledger.epoch_marker())

    def _agrees(self, marker: EpochMarker) -> bool:
        return marker.epoch == self._epoch and marker.marked_by == marker.server

    def _rebuild(
        self, epoch: str, hours: int | None, go_on: Callable[[], bool]
    ) -> RebuildProgress | None:
        _log.warning("Redis %s: looking for lost jobs", "was restarted" if hours else "lost all")
        rebuilt = None
        for so_far in self._rebuilder.rebuild(hours=hours):
            # Whoever loses the lead may have lost the jobs just restored along with it.
            again = self._ledger.acquire_leadership(self._owner, lease_ms=LEASE_MS, again=True)
            if not (again and go_on()):
                return None
            rebuilt = so_far
        if not self._ledger.set_epoch(epoch, owner=self._owner):
            return None
        _log.warning("jobs restored: %s", rebuilt and dict(rebuilt.restored))
        return rebuilt

    def _found(self, epoch: str) -> None:
        """Begin the books of a new installation."""
        self._store.put(EPOCH_KEY, epoch.encode(), content_type="text/plain")
        self._epoch = epoch
        self._ledger.set_epoch(epoch, owner=self._owner)

    def _stored_epoch(self) -> str | None:
        try:
            return self._store.get(EPOCH_KEY).decode()
        except ObjectNotFound:
            return None
