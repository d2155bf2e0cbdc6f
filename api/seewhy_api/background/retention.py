"""Forgetting: one thread per API process removes what a local store has kept long enough."""

import logging

from seewhy.periodic import PeriodicTask
from seewhy.storage.retention import LocalRetention

INTERVAL_S = 3600.0
PAUSE_S = 0.05

_log = logging.getLogger(__name__)


class RetentionTask:
    """Makes one pass of the expiry after another, at a pace that nobody notices."""

    def __init__(
        self, *, expiry: LocalRetention, interval_s: float = INTERVAL_S, pause_s: float = PAUSE_S
    ) -> None:
        """Rest `interval_s` between passes and `pause_s` between the steps of one."""
        self._task = PeriodicTask("retention", self.forget, interval_s=interval_s)
        self._expiry = expiry
        self._pause_s = pause_s

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def stop(self) -> None:
        """Stop after the current step."""
        self._task.stop()

    def forget(self) -> None:
        """Make one pass, unless it is stopped. Raises `LedgerUnavailable`."""
        removed = 0
        for step in self._expiry.steps():
            removed += step
            if self._task.wait(self._pause_s):
                return
        if removed:
            _log.info("removed %d files past their retention", removed)
