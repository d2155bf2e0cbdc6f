"""Retention: a thread per API process deletes expired files from a local store."""

import logging

from seewhy.periodic import PeriodicTask
from seewhy.storage.retention import LocalRetention

INTERVAL_S = 3600.0
STEP_PAUSE_S = 0.05

_log = logging.getLogger(__name__)


class RetentionTask:
    """Deletes expired files in small steps, so that requests are not slowed down."""

    def __init__(
        self,
        *,
        retention: LocalRetention,
        interval_s: float = INTERVAL_S,
        step_pause_s: float = STEP_PAUSE_S,
    ) -> None:
        """Pause `interval_s` between passes and `step_pause_s` between the steps of a pass."""
        self._task = PeriodicTask("retention", self.delete_expired, interval_s=interval_s)
        self._retention = retention
        self._step_pause_s = step_pause_s

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def stop(self) -> None:
        """Stop after the current step."""
        self._task.stop()

    def delete_expired(self) -> None:
        """Make one pass over the store. Raises `LedgerUnavailable`."""
        deleted = 0
        for step in self._retention.steps():
            deleted += step
            if self._task.wait(self._step_pause_s):
                return
        if deleted:
            _log.info("Deleted %d expired files", deleted)
