"""The sweep: one thread per API process looks after lost and overdue jobs and unfiled outcomes.

Any number may run at once.
"""

import time

from seewhy.filing import file_outcomes
from seewhy.hints import Bell
from seewhy.ledger.ledger import Ledger
from seewhy.ledger.outbox import Outbox
from seewhy.objects.store import ObjectStore
from seewhy.recovery import Recovery
from seewhy.rounds import Rounds

LIMIT = 500
FILED_AT_ONCE = 50


class Sweeper(Rounds):
    """Re-examines overdue jobs at a steady pace and rings the lanes that need it."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        outbox: Outbox,
        store: ObjectStore,
        bell: Bell,
        recovery: Recovery,
        interval_s: float,
    ) -> None:
        """Sweep every `interval_s` once started, the first time at once."""
        super().__init__("sweeper", self.recover, self.sweep, self.file, interval_s=interval_s)
        self._ledger = ledger
        self._outbox = outbox
        self._store = store
        self._bell = bell
        self._recovery = recovery

    def recover(self) -> None:
        """Bring back what Redis may have lost."""
        self._recovery.recover(go_on=lambda: not self.stopped)

    def sweep(self) -> None:
        """Make one whole pass: until nothing is overdue, then ring."""
        rings: dict[str, int] = {}
        examined = LIMIT
        while examined == LIMIT and not self.stopped:
            swept = self._ledger.sweep(limit=LIMIT)
            rings |= swept.rings
            examined = swept.examined
        for lane, times in rings.items():
            self._bell.ring(lane, times=times)
        if wanted := self._outbox.couriers_wanted():
            self._bell.wake_couriers(times=wanted)

    def file(self) -> None:
        """File outcomes until none is left, or until overdue jobs want to be looked at again."""
        enough_at = time.monotonic() + self._interval_s
        filed = FILED_AT_ONCE
        while filed == FILED_AT_ONCE and time.monotonic() < enough_at:
            if self.stopped:
                return
            filed = file_outcomes(ledger=self._ledger, store=self._store, limit=FILED_AT_ONCE)
