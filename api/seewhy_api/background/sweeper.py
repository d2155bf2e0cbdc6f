"""The sweep: one thread per API process looks after lost and overdue jobs and unfiled outcomes.

Any number may run at once.
"""

import time

from seewhy.broker.wakeups import WakeupPublisher
from seewhy.jobs.archiver import archive_outcomes
from seewhy.jobs.recovery import Recovery
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.ports.outbox import Outbox
from seewhy.periodic import PeriodicTask
from seewhy.storage.port import ObjectStore

LIMIT = 500
FILED_AT_ONCE = 50


class Sweeper:
    """Re-examines overdue jobs at a steady pace and wakeups the lanes that need it."""

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
        """Sweep every `interval_s` once started, the first time at once."""
        self._task = PeriodicTask(
            "sweeper", self.recover, self.sweep, self.file, interval_s=interval_s
        )
        self._interval_s = interval_s
        self._ledger = ledger
        self._outbox = outbox
        self._store = store
        self._wakeups = wakeups
        self._recovery = recovery

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def stop(self) -> None:
        """Stop after the current step."""
        self._task.stop()

    def recover(self) -> None:
        """Bring back what Redis may have lost."""
        self._recovery.recover(should_stop=lambda: self._task.stopped)

    def sweep(self) -> None:
        """Make one whole pass: until nothing is overdue, then ring."""
        wakeups: dict[str, int] = {}
        examined = LIMIT
        while examined == LIMIT and not self._task.stopped:
            swept = self._ledger.sweep(limit=LIMIT)
            wakeups |= swept.wakeups
            examined = swept.examined
        for lane, times in wakeups.items():
            self._wakeups.notify(lane, times=times)
        if wanted := self._outbox.wakeups_needed():
            self._wakeups.notify_dispatchers(times=wanted)

    def file(self) -> None:
        """File outcomes until none is left, or until overdue jobs want to be looked at again."""
        enough_at = time.monotonic() + self._interval_s
        filed = FILED_AT_ONCE
        while filed == FILED_AT_ONCE and time.monotonic() < enough_at:
            if self._task.stopped:
                return
            filed = archive_outcomes(ledger=self._ledger, store=self._store, limit=FILED_AT_ONCE)
