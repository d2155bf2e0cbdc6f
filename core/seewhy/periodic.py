"""A background thread that repeats its steps until it is stopped."""

import logging
import threading
from collections.abc import Callable

from seewhy.errors import Unavailable

STOP_TIMEOUT_S = 5

_log = logging.getLogger(__name__)


class PeriodicTask:
    """Runs its steps in order, waits, and repeats.

    An error in a step is logged; the next step runs all the same.
    """

    def __init__(
        self, name: str, *steps: Callable[[], object], interval_s: float, wait_first: bool = False
    ) -> None:
        """Wait `interval_s` after each round and, with `wait_first`, before the first one."""
        self._steps = steps
        self._interval_s = interval_s
        self._wait_first = wait_first
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called: a long step must return early."""
        return self._stopped.is_set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> bool:
        """Stop after the current step; wait for it up to `STOP_TIMEOUT_S`. True if it has ended."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=STOP_TIMEOUT_S)
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Wait inside a step. Return True at once when the task is stopped."""
        return self._stopped.wait(seconds)

    def _run(self) -> None:
        if self._wait_first:
            self.wait(self._interval_s)
        while not self.stopped:
            for step in self._steps:
                if not self.stopped:
                    self._run_step(step)
            self.wait(self._interval_s)

    def _run_step(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Unavailable as error:
            _log.warning("Cannot %s; retrying in %g s: %s", step.__name__, self._interval_s, error)
        except Exception:  # noqa: BLE001 - no error of a step may end the thread
            _log.exception("Periodic step %s failed", step.__name__)
