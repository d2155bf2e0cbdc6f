"""The watchdog: a device that never answers ends the process, and the jobs resume elsewhere.

Nothing in Python can end a thread that waits inside a driver, and Celery's time limits do not
reach its threads. While such a call hangs, the leases of its jobs are renewed for ever, so the
process has to go. Two guards look out for that:

- A thread counts how long each call has lasted. It counts its own ticks and not a clock, so that a
  machine that was suspended, or a process that was stopped and continued, does not look hung.
  Calls into TensorFlow let go of the interpreter, so this thread sees them hang.
- A call that keeps hold of the interpreter stops that thread too. So each tick also postpones a
  timer of `faulthandler`, which needs no interpreter and goes off when the ticks stay away. It
  goes by the clock that rests while the machine is suspended. It cannot choose the exit status: 1.

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

from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import METHOD_INFO
from seewhy.schemas.targets import TargetOrIndex
from seewhy_worker.explain.faithfulness import forward_passes

HUNG = 75
"""The exit status of a worker whose device hung: EX_TEMPFAIL of sysexits.h, try again."""

PASSES_IN_TIME = 100
"""How many forward passes have to fit into the time limit; a longer call has longer."""

_STDERR = 2  # not sys.stderr, which Celery replaces by a logger

_log = logging.getLogger(__name__)


class Watchdog:
    """Ends the process when a call outlasts its time. One per process, used by all its threads."""

    def __init__(self, *, timeout_s: float, tick_s: float = 1.0) -> None:
        """Allow a call `timeout_s` for up to `PASSES_IN_TIME` forward passes."""
        self._timeout_s = timeout_s
        self._tick_s = min(tick_s, timeout_s / 4)
        self._left_s: dict[int, float] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._postpone()
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    @contextmanager
    def watching(self, *, passes: float) -> Iterator[None]:
        """Allow the block the time of so many forward passes."""
        number = next(self._numbers)
        with self._lock:
            self._left_s[number] = self._timeout_s * max(1.0, passes / PASSES_IN_TIME)
        try:
            yield
        finally:
            with self._lock:
                del self._left_s[number]

    def tick(self, elapsed_s: float) -> bool:
        """Count `elapsed_s` against every call under way; whether one has outlasted its time.

        A tick that came late counts as two: where the process stood still, so did its calls.
        """
        counted_s = min(elapsed_s, 2 * self._tick_s)
        with self._lock:
            for number in self._left_s:
                self._left_s[number] -= counted_s
            return any(left_s <= 0 for left_s in self._left_s.values())

    def _run(self) -> None:
        before_s = time.monotonic()
        while not self._stopped.wait(self._tick_s):
            self._postpone()
            now_s = time.monotonic()
            if self.tick(now_s - before_s):
                _end()
            before_s = now_s
        faulthandler.cancel_dump_traceback_later()

    def _postpone(self) -> None:
        faulthandler.dump_traceback_later(self._timeout_s, exit=True, file=_STDERR)


def passes_of(
    targets: Sequence[tuple[TargetOrIndex, ...]], recipes: Sequence[MethodOptions]
) -> float:
    """Return about how many forward passes pictures take at most, with every fallback tried."""
    return sum(
        len(wanted) * sum(_passes(method) for method in (recipe.method, *recipe.fallback))
        + (forward_passes(len(wanted)) if recipe.trust else 0)
        for wanted, recipe in zip(targets, recipes, strict=True)
    )


def _passes(method: str) -> float:
    # An unknown method is for the explainer to refuse.
    return METHOD_INFO[method].forward_passes if method in METHOD_INFO else 1.0


def _end() -> None:
    faulthandler.dump_traceback(file=_STDERR, all_threads=True)
    _log.critical("the device does not answer: ending this worker, its jobs will run again")
    os._exit(HUNG)
