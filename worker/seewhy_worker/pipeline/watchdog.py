"""The watchdog: ends the process when the device hangs, so that its jobs run elsewhere.

Python cannot interrupt a thread that waits inside a driver, and Celery's time limits do not apply
to its threads. While such a call hangs, the leases of its jobs are still renewed, so the process
has to exit. Two mechanisms detect a hung call:

- A thread counts the time of each call since its last checkpoint. It adds up its own ticks rather
  than clock time, so a suspended machine or a stopped process does not look hung. Calls into
  TensorFlow release the interpreter lock, so the thread keeps running while they hang.
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
from collections.abc import Iterator
from contextlib import contextmanager

from seewhy_worker.checkpoints.checkpoint import Checkpoint

EXIT_DEVICE_HUNG = 75
"""Exit status of a worker with a hung device: EX_TEMPFAIL of sysexits.h, try again."""

_STDERR = 2  # not sys.stderr, which Celery replaces by a logger

_log = logging.getLogger(__name__)


class Watchdog:
    """Ends the process when a call exceeds its time limit. Thread-safe; one per process."""

    def __init__(self, *, timeout_s: float, tick_s: float = 1.0) -> None:
        """Allow `timeout_s` from one checkpoint of a call to the next."""
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
    def watching(self, checkpoint: Checkpoint) -> Iterator[Checkpoint]:
        """Limit the time that the block takes from one checkpoint to the next.

        Yields `checkpoint` as the block has to call it. Its own time does not count, because
        others use the device meanwhile.
        """
        call_id = next(self._call_ids)

        def unwatched() -> None:
            self._end(call_id)
            checkpoint()
            self._begin(call_id)

        self._begin(call_id)
        try:
            yield unwatched
        finally:
            self._end(call_id)

    def tick(self, elapsed_s: float) -> bool:
        """Charge `elapsed_s` to every call in progress; return whether one has run out of time.

        A late tick is charged as two ticks at most: while the process is stopped, so are its calls.
        """
        charged_s = min(elapsed_s, 2 * self._tick_s)
        with self._lock:
            for call_id in self._remaining_s:
                self._remaining_s[call_id] -= charged_s
            return any(remaining_s <= 0 for remaining_s in self._remaining_s.values())

    def _begin(self, call_id: int) -> None:
        with self._lock:
            self._remaining_s[call_id] = self._timeout_s

    def _end(self, call_id: int) -> None:
        with self._lock:
            self._remaining_s.pop(call_id, None)

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


def _exit() -> None:
    faulthandler.dump_traceback(file=_STDERR, all_threads=True)
    _log.critical(
        "The device is not responding; exiting with status %d so that the jobs run elsewhere. "
        "Restart the worker.",
        EXIT_DEVICE_HUNG,
    )
    os._exit(EXIT_DEVICE_HUNG)
