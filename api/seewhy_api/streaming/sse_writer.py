"""Writes event streams: messages and heartbeats until the outcome or a time limit."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty
from typing import Any

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.jobs import JobReader
from seewhy.ledger.types import JobRecord
from seewhy_api.streaming.event_feed import EventFeed, EventPosition, Subscription
from seewhy_api.streaming.event_stream import (
    HEARTBEAT,
    EventSequence,
    SseMessage,
    format_message,
    format_retry,
)

CONCURRENT_READS = 2
"""How many record reads, and so Redis connections, all streams of a process share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamTiming:
    """How often an idle stream sends a heartbeat, and how long a stream lasts at most."""

    heartbeat_s: float = 15.0
    max_duration_s: float = 600.0


class SseWriter:
    """Writes the event streams of one process."""

    def __init__(
        self,
        *,
        ledger: JobReader,
        event_feed: EventFeed,
        serialize: Callable[[JobRecord], dict[str, Any]],
        timing: StreamTiming | None = None,
    ) -> None:
        """Combine the events of `event_feed` with the records of `ledger`.

        `serialize` builds the body of the outcome's message.
        """
        self._ledger = ledger
        self._event_feed = event_feed
        self._serialize = serialize
        self._timing = timing or StreamTiming()
        self._reads = threading.BoundedSemaphore(CONCURRENT_READS)

    def read_job(self, job_id: str) -> JobRecord | None:
        """Read a record within the limit on concurrent reads. Raises `LedgerUnavailable`."""
        if not self._reads.acquire(timeout=self._timing.heartbeat_s):
            raise LedgerUnavailable("Redis is too slow for the open event streams.")
        try:
            return self._ledger.read(job_id)
        finally:
            self._reads.release()

    def write(
        self, record: JobRecord, subscription: Subscription, *, after: EventPosition | None
    ) -> Iterator[str]:
        """Yield one stream's text until the outcome, the time limit, or shutdown."""
        ends_at = time.monotonic() + self._timing.max_duration_s
        # Random, so that the clients of a stopping process do not all reconnect at once.
        yield format_retry(random.randint(1_000, 3_000))  # noqa: S311
        sequence = EventSequence(after=after)
        messages = sequence.start(
            record.state, position=subscription.position, missed=subscription.missed
        )
        while True:
            for message in messages:
                yield format_message(message, self._body(message, record))
            remaining_s = ends_at - time.monotonic()
            if sequence.finished or remaining_s <= 0 or self._event_feed.stopped:
                return
            messages = []
            try:
                event = subscription.events.get(timeout=min(remaining_s, self._timing.heartbeat_s))
            except Empty:
                yield HEARTBEAT
                event = None
            if event is not None and not event.state.terminal:
                messages = sequence.on_event(event)
                continue
            try:
                current = self.read_job(record.job_id)
            except LedgerUnavailable:
                continue  # the feed wakes its subscribers when Redis is back
            if current is None:
                return
            record, messages = current, sequence.on_state(current.state)

    def _body(self, message: SseMessage, record: JobRecord) -> dict[str, Any]:
        if message.state.terminal:
            return self._serialize(record)
        return {"id": record.job_id, "status": message.state}
