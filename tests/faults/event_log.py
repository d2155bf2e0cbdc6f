"""Reads the events of a long run while it goes on: the ledger keeps only the latest."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import JobEvent

INTERVAL_S = 0.2


class EventLog:
    """A thread that reads all events, until `stop`."""

    def __init__(self, ledger: RedisLedger) -> None:
        """Read from `ledger`."""
        self._ledger = ledger
        self._events: list[JobEvent] = []
        self._emptied = False
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event log")

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the events so far."""
        if self._thread.is_alive():
            self._stopped.set()
            self._thread.join()

    def read(self) -> list[JobEvent]:
        """Return the events since Redis was emptied, once they are all read."""
        self.stop()
        return self._events

    @contextmanager
    def emptying(self) -> Iterator[None]:
        """Forget the events when the block, which empties Redis, has ended."""
        with self._lock:
            yield
            self._emptied = True

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            self._read_pages()
        self._read_pages()

    def _read_pages(self) -> None:
        while self._read_page():
            pass

    def _read_page(self) -> bool:
        with self._lock:
            if self._emptied:
                self._events, self._emptied = [], False
            position = self._events[-1].position if self._events else "0-0"
            try:
                page = self._ledger.events(after=position, wait_ms=1)
            except LedgerUnavailable:
                page = []
            self._events += page
        return bool(page)
