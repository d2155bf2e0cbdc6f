"""Forgetting: one thread per API process removes what a local store has kept long enough."""

import logging
import threading

from seewhy.errors import LedgerUnavailable
from seewhy.objects.expiry import Expiry

INTERVAL_S = 3600.0
PAUSE_S = 0.05

_log = logging.getLogger(__name__)


class Forgetter:
    """Makes one pass of the expiry after another, at a pace that nobody notices."""

    def __init__(
        self, *, expiry: Expiry, interval_s: float = INTERVAL_S, pause_s: float = PAUSE_S
    ) -> None:
        """Rest `interval_s` between passes and `pause_s` between the steps of one."""
        self._expiry = expiry
        self._interval_s = interval_s
        self._pause_s = pause_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forgetter", daemon=True)

    def start(self) -> None:
        """Begin, with the first pass at once."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the step under way and stop."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._pass()
            except LedgerUnavailable as error:
                _log.warning("cannot tell what to forget, trying again: %s", error)
            except Exception:  # noqa: BLE001 - the thread outlives whatever one pass meets
                _log.exception("forgetting failed")
            self._stopped.wait(self._interval_s)

    def _pass(self) -> None:
        removed = 0
        for step in self._expiry.steps():
            removed += step
            if self._stopped.wait(self._pause_s):
                return
        if removed:
            _log.info("removed %d files past their retention", removed)
