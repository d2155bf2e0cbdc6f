"""Records which API keys were used, once a minute, so that a request costs no call for it."""

import threading

from seewhy.ledger.ports.key_use import KeyUseLog
from seewhy.periodic import PeriodicTask

INTERVAL_S = 60.0


class KeyUseRecorder:
    """Collects the ids of the keys that the requests of a process use."""

    def __init__(self, log: KeyUseLog) -> None:
        """Record to `log`, with the time of recording as the time of use."""
        self._log = log
        self._lock = threading.Lock()
        self._used: set[str] = set()
        self._task = PeriodicTask(
            "key-use", self.record_key_use, interval_s=INTERVAL_S, wait_first=True
        )

    def note(self, key_id: str) -> None:
        """Note that a valid key was used."""
        with self._lock:
            self._used.add(key_id)

    def record_key_use(self) -> None:
        """Record the keys that were used since the last time."""
        with self._lock:
            used, self._used = self._used, set()
        try:
            self._log.record(used)
        except BaseException:
            with self._lock:
                self._used |= used
            raise

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def stop(self) -> None:
        """Stop the thread. The uses of the last minute are lost."""
        self._task.stop()
