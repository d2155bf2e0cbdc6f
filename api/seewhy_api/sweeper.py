"""The sweep: one thread per API process looks after lost and overdue jobs and unfiled outcomes.

Any number may run at once.
"""

import logging
import threading
import time

from seewhy.errors import Unavailable
from seewhy.filing import file_outcomes
from seewhy.hints import Bell
from seewhy.ledger.ledger import Ledger
from seewhy.ledger.outbox import Outbox
from seewhy.objects.store import ObjectStore
from seewhy.recovery import Recovery

LIMIT = 500
FILED_AT_ONCE = 50

_log = logging.getLogger(__name__)


class Sweeper:
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
        """Sweep every `interval_s` once started."""
        self._ledger = ledger
        self._outbox = outbox
        self._store = store
        self._bell = bell
        self._recovery = recovery
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin to sweep, the first time at once."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the pass under way and stop."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def recover(self) -> None:
        """Bring back what Redis may have lost."""
        self._recovery.recover(go_on=lambda: not self._stopped.is_set())

    def sweep(self) -> None:
        """Make one whole pass: until nothing is overdue, then ring."""
        rings: dict[str, int] = {}
        examined = LIMIT
        while examined == LIMIT and not self._stopped.is_set():
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
            if self._stopped.is_set():
                return
            filed = file_outcomes(ledger=self._ledger, store=self._store, limit=FILED_AT_ONCE)

    def _run(self) -> None:
        while not self._stopped.is_set():
            for step in (self.recover, self.sweep, self.file):
                try:
                    step()
                except Unavailable as error:
                    _log.warning("cannot %s, trying again: %s", step.__name__, error)
                except Exception:  # noqa: BLE001 - the thread outlives whatever one pass meets
                    _log.exception("%s failed", step.__name__)
            self._stopped.wait(self._interval_s)
