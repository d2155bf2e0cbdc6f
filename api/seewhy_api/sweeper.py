"""The sweep: one thread per API process looks after overdue jobs. Any number may run at once."""

import logging
import threading

from seewhy.errors import LedgerUnavailable
from seewhy.hints import Bell
from seewhy.ledger.ledger import Ledger

LIMIT = 500

_log = logging.getLogger(__name__)


class Sweeper:
    """Re-examines overdue jobs at a steady pace and rings the lanes that need it."""

    def __init__(self, *, ledger: Ledger, bell: Bell, interval_s: float) -> None:
        """Sweep every `interval_s` once started."""
        self._ledger = ledger
        self._bell = bell
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

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.sweep()
            except LedgerUnavailable as error:
                _log.warning("cannot sweep, trying again: %s", error)
            except Exception:  # noqa: BLE001 - the thread outlives whatever one pass meets
                _log.exception("a sweep failed")
            self._stopped.wait(self._interval_s)
