"""Long polls: requests that wait for a job's outcome, with a limit on blocked threads."""

import threading
import time
from queue import Empty

from seewhy.ledger.ports.jobs import JobLedger
from seewhy.ledger.types import JobRecord
from seewhy_api.streaming.event_feed import EventFeed, Subscription

READ_INTERVAL_S = 5.0
"""How often a waiting request reads the record, because an event may be lost."""


class LongPoll:
    """Waits for outcomes on request threads."""

    def __init__(self, *, ledger: JobLedger, event_feed: EventFeed, max_waiting: int) -> None:
        """Wait for the events of `event_feed` in at most `max_waiting` threads."""
        self._ledger = ledger
        self._event_feed = event_feed
        self._slots = threading.BoundedSemaphore(max_waiting)

    def read_job(self, job_id: str, *, wait_s: float) -> JobRecord | None:
        """Read a record, waiting up to `wait_s` for its outcome.

        Returns at once when `max_waiting` threads wait already: other requests need threads, too.
        """
        if wait_s <= 0 or not self._slots.acquire(blocking=False):
            return self._ledger.read(job_id)
        try:
            with self._event_feed.subscribe(job_id) as subscription:
                return self._wait(job_id, subscription, deadline=time.monotonic() + wait_s)
        finally:
            self._slots.release()

    def _wait(
        self, job_id: str, subscription: Subscription, *, deadline: float
    ) -> JobRecord | None:
        while True:
            record = self._ledger.read(job_id)
            remaining_s = deadline - time.monotonic()
            if (
                record is None
                or record.state.terminal
                or remaining_s <= 0
                or self._event_feed.stopped
            ):
                return record
            _wait_for_outcome_event(subscription, limit_s=min(remaining_s, READ_INTERVAL_S))


def _wait_for_outcome_event(subscription: Subscription, *, limit_s: float) -> None:
    """Return on the job's outcome, on events that may be missing, or after `limit_s`."""
    ends_at = time.monotonic() + limit_s
    while (remaining_s := ends_at - time.monotonic()) > 0:
        try:
            event = subscription.events.get(timeout=remaining_s)
        except Empty:
            return
        if event is None or event.state.terminal:
            return
