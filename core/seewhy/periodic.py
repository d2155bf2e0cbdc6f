"""A thread that takes the same steps again and again, for as long as its process lives."""

import logging
import threading
from collections.abc import Callable

from seewhy.errors import Unavailable

_log = logging.getLogger(__name__)


class PeriodicTask:
    """Takes its steps in turn, rests, and begins anew. What a step raises is logged, no more."""

    def __init__(
        self, name: str, *steps: Callable[[], object], interval_s: float, rest_first: bool = False
    ) -> None:
        """Rest `interval_s` after each round, or before it."""
        self._steps = steps
        self._interval_s = interval_s
        self._rest_first = rest_first
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopped(self) -> bool:
        """Whether a step that is under way should come to its end."""
        return self._stopped.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the step under way and stop."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def rest(self, seconds: float) -> bool:
        """Rest within a step; True when it should come to its end."""
        return self._stopped.wait(seconds)

    def _run(self) -> None:
        if self._rest_first and self.rest(self._interval_s):
            return
        while not self.stopped:
            for step in self._steps:
                try:
                    step()
                except Unavailable as error:
                    _log.warning("cannot %s, trying again: %s", step.__name__, error)
                except Exception:  # noqa: BLE001 - the thread outlives whatever one step meets
                    _log.exception("%s failed", step.__name__)
            self.rest(self._interval_s)
