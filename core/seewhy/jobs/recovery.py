"""Recovery: detect that Redis has lost jobs, and rebuild the ledger.

The ledger and the store each hold an epoch marker. No marker in the ledger means that all jobs are
lost. A marker set by another server process means a restart, after which the last two seconds of
writes may be lost (`appendfsync everysec` on a disk that is slow to flush).
"""

import logging
from collections.abc import Callable

from seewhy.errors import ObjectNotFound
from seewhy.ids import new_job_id
from seewhy.jobs.rebuild import Rebuilder, RebuildProgress
from seewhy.ledger.ports.recovery import RecoveryLedger
from seewhy.ledger.types import EpochMarker
from seewhy.storage.keys import EPOCH_KEY
from seewhy.storage.port import ObjectStore

LEASE_MS = 60_000
HOURS_AFTER_RESTART = 2

_log = logging.getLogger(__name__)


class Recovery:
    """Compares the epoch markers and rebuilds. One per API process; any number may run at once."""

    def __init__(self, *, ledger: RecoveryLedger, store: ObjectStore, retention_s: int) -> None:
        """Rebuild this ledger from this store."""
        self._ledger = ledger
        self._store = store
        self._rebuilder = Rebuilder(ledger=ledger, store=store, retention_s=retention_s)
        self._owner = new_job_id()
        self._epoch: str | None = None

    def recover(self, *, should_stop: Callable[[], bool] = lambda: False) -> RebuildProgress | None:
        """Rebuild if jobs may be lost. Returns None when not needed or done by another process.

        Stops between two steps when `should_stop()` is true; the next call then starts again.
        Raises `Unavailable`.
        """
        epoch, marker = self.epoch(), self._ledger.epoch_marker()
        if epoch and self._is_current(marker):
            return None
        if not self._ledger.acquire_leadership(self._owner, lease_ms=LEASE_MS):
            return None
        epoch = self.epoch()
        if epoch is None:
            self._start_epoch(marker.epoch or new_job_id())
            return None
        hours = HOURS_AFTER_RESTART if marker.epoch == epoch else None
        return self._rebuild(epoch, hours, should_stop)

    def is_complete(self) -> bool:
        """Return whether the ledger has all accepted jobs: no recovery is needed or running.

        Raises `Unavailable`.
        """
        return self.epoch() is None or self._is_current(self._ledger.epoch_marker())

    def epoch(self) -> str | None:
        """Return the epoch of the accepted jobs; None before the first recovery.

        Raises `StoreUnavailable`.
        """
        self._epoch = self._epoch or self._stored_epoch()
        return self._epoch

    def _is_current(self, marker: EpochMarker) -> bool:
        return marker.epoch == self._epoch and marker.marked_by == marker.server

    def _rebuild(
        self, epoch: str, hours: int | None, should_stop: Callable[[], bool]
    ) -> RebuildProgress | None:
        cause = "restarted" if hours else "lost all data"
        _log.warning("Redis %s; rebuilding the ledger from the object store", cause)
        latest = None
        for progress in self._rebuilder.rebuild(hours=hours):
            # Without leadership, Redis may have lost the restored jobs again.
            leads = self._ledger.renew_leadership(self._owner, lease_ms=LEASE_MS)
            if not leads or should_stop():
                return None
            latest = progress
        if not self._ledger.set_epoch(epoch, owner=self._owner):
            return None
        _log.warning("Ledger rebuilt; jobs restored: %s", latest and dict(latest.restored))
        return latest

    def _start_epoch(self, epoch: str) -> None:
        """Write the first epoch of a new installation."""
        self._store.put(EPOCH_KEY, epoch.encode(), content_type="text/plain")
        self._epoch = epoch
        self._ledger.set_epoch(epoch, owner=self._owner)

    def _stored_epoch(self) -> str | None:
        try:
            return self._store.get(EPOCH_KEY).decode()
        except ObjectNotFound:
            return None
