"""The watchdog: ends the process when the device hangs, so that its jobs run elsewhere.

Python cannot interrupt a thread that waits inside a driver, and Celery's time limits do not apply
to its threads. While such a call hangs, the leases of its jobs are still renewed, so the process
has to exit. Two mechanisms detect a hung call:

- A thread counts the time of each call. It adds up its own ticks rather than clock time, so a
  suspended machine or a stopped process does not look hung. Calls into TensorFlow release the
  interpreter lock, so the thread keeps running while they hang.
- A call that holds the interpreter lock stops that thread as well. Therefore each tick also
  postpones a timer of `faulthandler`, which fires without the interpreter when the ticks stop. Its
  clock pauses while the machine is suspended. It always exits with status 1.

Both write the stacks of all threads to standard error.
"""

import faulthandler
import itertools
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seewhy.schemas.passes import forward_passes
from seewhy_worker.explain.types import ExplanationTask

EXIT_DEVICE_HUNG = 75
"""Exit status of a worker with a hung device: EX_TEMPFAIL of sysexits.h, try again."""

PASSES_WITHIN_TIMEOUT = 100
"""Forward passes that fit into the timeout; longer calls get proportionally more time."""

_STDERR = 2  # not sys.stderr, which Celery replaces by a logger

_log = logging.getLogger(__name__)


class Watchdog:
    """Ends the process when a call exceeds its time limit. Thread-safe; one per process."""

    def __init__(self, *, timeout_s: float, tick_s: float = 1.0) -> None:
        """Allow `timeout_s` for a call of up to `PASSES_WITHIN_TIMEOUT` forward passes."""
        self._timeout_s = timeout_s
        self._tick_s = min(tick_s, timeout_s / 4)
        self._remaining_s: dict[int, float] = {}
        self._call_ids = itertools.count()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._postpone()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    @contextmanager
    def watching(self, *, passes: float) -> Iterator[None]:
        """Limit the time of the block to what `passes` forward passes may take."""
        call_id = next(self._call_ids)
        with self._lock:
            self._remaining_s[call_id] = self._timeout_s * max(1.0, passes / PASSES_WITHIN_TIMEOUT)
        try:
            yield
        finally:
            with self._lock:
                del self._remaining_s[call_id]

    def tick(self, elapsed_s: float) -> bool:
        """Charge `elapsed_s` to every call in progress; return whether one has run out of time.

        A late tick is charged as two ticks at most: while the process is stopped, so are its calls.
        """
        charged_s = min(elapsed_s, 2 * self._tick_s)
        with self._lock:
            for call_id in self._remaining_s:
                self._remaining_s[call_id] -= charged_s
            return any(remaining_s <= 0 for remaining_s in self._remaining_s.values())

    def _run(self) -> None:
        previous_s = time.monotonic()
        while not self._stopped.wait(self._tick_s):
            self._postpone()
            now_s = time.monotonic()
            if self.tick(now_s - previous_s):
                _exit()
            previous_s = now_s
        faulthandler.cancel_dump_traceback_later()

    def _postpone(self) -> None:
        faulthandler.dump_traceback_later(self._timeout_s, exit=True, file=_STDERR)


def passes_of(tasks: Sequence[ExplanationTask]) -> float:
    """Estimate the most forward passes that the tasks can take, with every fallback tried."""
    return sum(forward_passes(task.options, targets=len(task.targets)) for task in tasks)


def _exit() -> None:
    faulthandler.dump_traceback(file=_STDERR, all_threads=True)
    _log.critical(
        "The device is not responding; exiting with status %d so that the jobs run elsewhere. "
        "Restart the worker.",
        EXIT_DEVICE_HUNG,
    )
    os._exit(EXIT_DEVICE_HUNG)
