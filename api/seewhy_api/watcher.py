"""Wakes long polls: one thread per process reads the ledger's events for all waiting clients."""

import logging
import threading
import time
from collections import defaultdict

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ledger import Ledger
from seewhy.ledger.records import Record

READ_MS = 250
FALLBACK_S = 5.0
"""A waiter looks for itself this often: an event is a courtesy, the record is the truth."""

_log = logging.getLogger(__name__)


class Watcher:
    """Lets request threads wait for a job's outcome, a bounded number of them at once."""

    def __init__(self, *, ledger: Ledger, waiters: int) -> None:
        """Watch `ledger` once started; at most `waiters` threads may be parked here."""
        self._ledger = ledger
        self._seats = threading.BoundedSemaphore(waiters)
        self._waiting: defaultdict[str, set[threading.Event]] = defaultdict(set)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin to read events."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and send every waiter home with what is known."""
        self._stopped.set()
        with self._lock:
            for events in self._waiting.values():
                for event in events:
                    event.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * READ_MS / 1000)

    def outcome(self, job_id: str, *, wait_s: float) -> Record | None:
        """Read the job, waiting up to `wait_s` for it to end.

        Answers at once when every seat is taken: the other requests need threads, too.
        """
        if wait_s <= 0 or not self._seats.acquire(blocking=False):
            return self._ledger.read(job_id)
        ended = threading.Event()
        with self._lock:
            self._waiting[job_id].add(ended)
        try:
            return self._await(job_id, ended, deadline=time.monotonic() + wait_s)
        finally:
            self._seats.release()
            with self._lock:
                self._waiting[job_id].discard(ended)
                if not self._waiting[job_id]:
                    del self._waiting[job_id]

    def _await(self, job_id: str, ended: threading.Event, *, deadline: float) -> Record | None:
        while True:
            record = self._ledger.read(job_id)
            left_s = deadline - time.monotonic()
            if record is None or record.state.terminal or left_s <= 0 or self._stopped.is_set():
                return record
            ended.wait(min(left_s, FALLBACK_S))

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow(self._ledger.horizon())
            except LedgerUnavailable as error:
                _log.warning("cannot read events, trying again: %s", error)
                self._stopped.wait(1)

    def _follow(self, position: str) -> None:
        while not self._stopped.is_set():
            for event in self._ledger.events(after=position, wait_ms=READ_MS):
                position = event.position
                if event.state.terminal:
                    with self._lock:
                        for waiter in self._waiting.get(event.job_id, ()):
                            waiter.set()
