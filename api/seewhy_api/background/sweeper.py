"""The sweep: a thread per API process rebuilds, re-examines and archives jobs.

Any number of sweepers may run at the same time.
"""

import time

from seewhy.broker.wakeups import WakeupPublisher
from seewhy.jobs.archiver import archive_batches, archive_outcomes
from seewhy.jobs.recovery import Recovery
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.ports.outbox import Outbox
from seewhy.periodic import PeriodicTask
from seewhy.storage.port import ObjectStore

ARCHIVE_LIMIT = 50


class Sweeper:
    """Re-examines overdue jobs at a fixed interval and wakes the lanes that have work."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        outbox: Outbox,
        store: ObjectStore,
        wakeups: WakeupPublisher,
        recovery: Recovery,
        interval_s: float,
    ) -> None:
        """Sweep every `interval_s` once started, first without delay."""
        steps = (self.recover, self.sweep, self.archive, self.archive_batches)
        self._task = PeriodicTask("sweeper", *steps, interval_s=interval_s)
        self._ledger = ledger
        self._outbox = outbox
        self._store = store
        self._wakeups = wakeups
        self._recovery = recovery
        self._archive_limit_s = interval_s

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def stop(self) -> None:
        """Stop after the current step."""
        self._task.stop()

    def recover(self) -> None:
        """Restore jobs that Redis may have lost. Raises `Unavailable`."""
        self._recovery.recover(should_stop=lambda: self._task.stopped)

    def sweep(self) -> None:
        """Re-examine all overdue jobs, then publish wakeups. Raises `LedgerUnavailable`."""
        wakeups: dict[str, int] = {}
        more = True
        while more and not self._task.stopped:
            result = self._ledger.sweep()
            wakeups = result.wakeups
            more = result.more
        for lane, times in wakeups.items():
            self._wakeups.notify(lane, times=times)
        if times := self._outbox.wakeups_needed():
            self._wakeups.notify_dispatchers(times=times)

    def archive(self) -> None:
        """Archive outcomes until none is left or the next sweep is due. Raises `Unavailable`."""
        ends_at = time.monotonic() + self._archive_limit_s
        ledger, store = self._ledger, self._store
        while archive_outcomes(ledger=ledger, store=store, limit=ARCHIVE_LIMIT):
            if self._task.stopped or time.monotonic() >= ends_at:
                return

    def archive_batches(self) -> None:
        """Archive the outcomes of batches that have ended. Raises `Unavailable`."""
        archive_batches(batches=self._ledger.batches, store=self._store, limit=ARCHIVE_LIMIT)
