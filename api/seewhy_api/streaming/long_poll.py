"""Long polls: request threads that wait for a job's outcome, a bounded number of them at once."""

import threading
import time
from queue import Empty

from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import JobRecord
from seewhy_api.streaming.event_feed import EventFeed, Subscription

FALLBACK_S = 5.0
"""A waiter looks for itself this often: an event is a courtesy, the record is the truth."""


class LongPoll:
    """Lets request threads wait for a job's outcome."""

    def __init__(self, *, ledger: Ledger, tail: EventFeed, waiters: int) -> None:
        """Wait for what `tail` hears of `ledger`; at most `waiters` threads may be parked here."""
        self._ledger = ledger
        self._tail = tail
        self._seats = threading.BoundedSemaphore(waiters)

    def outcome(self, job_id: str, *, wait_s: float) -> JobRecord | None:
        """Read the job, waiting up to `wait_s` for it to end.

        Answers at once when every seat is taken: the other requests need threads, too.
        """
        if wait_s <= 0 or not self._seats.acquire(blocking=False):
            return self._ledger.read(job_id)
        try:
            with self._tail.listen(job_id) as ear:
                return self._await(job_id, ear, deadline=time.monotonic() + wait_s)
        finally:
            self._seats.release()

    def _await(self, job_id: str, ear: Subscription, *, deadline: float) -> JobRecord | None:
        while True:
            record = self._ledger.read(job_id)
            left_s = deadline - time.monotonic()
            if record is None or record.state.terminal or left_s <= 0 or self._tail.stopped:
                return record
            _doze(ear, limit_s=min(left_s, FALLBACK_S))


def _doze(ear: Subscription, *, limit_s: float) -> None:
    """Return when the job ends, when something may have been missed, or after `limit_s`."""
    wakes_at = time.monotonic() + limit_s
    while (left_s := wakes_at - time.monotonic()) > 0:
        try:
            event = ear.heard.get(timeout=left_s)
        except Empty:
            return
        if event is None or event.state.terminal:
            return
