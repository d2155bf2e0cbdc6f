"""The event feed: one reader of the ledger's events per process, shared by all subscriptions."""

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.jobs import JobLedger
from seewhy.ledger.types import JobEvent

READ_WAIT_MS = 250
BUFFER_SIZE = 10_000
RETRY_S = 1.0

EventPosition = tuple[int, int]
"""A comparable position in the ledger's event stream: ms since 1970, sequence number."""

_log = logging.getLogger(__name__)


def parse_position(position: str) -> EventPosition:
    """Parse a position in the ledger's form, `milliseconds-sequence`."""
    at_ms, _, sequence = position.partition("-")
    return int(at_ms), int(sequence)


@dataclass(frozen=True, slots=True)
class Subscription:
    """The events of one job. No event is lost between `missed` and `events`."""

    position: str
    """The position of the latest event of any job when the subscription began."""
    missed: tuple[JobEvent, ...] | None
    """The job's events after the requested position; None when some have left the buffer."""
    events: SimpleQueue[JobEvent | None]
    """New events in order; None means that events may be missing and the record must be read."""


class EventFeed:
    """Reads events on one thread and one connection, and hands them to any number of threads."""

    def __init__(self, *, ledger: JobLedger, buffer_size: int = BUFFER_SIZE) -> None:
        """Read `ledger` once started, and buffer the last `buffer_size` events."""
        self._ledger = ledger
        self._buffer: deque[JobEvent] = deque(maxlen=buffer_size)
        self._complete_since: EventPosition | None = None
        self._position = "0-0"
        self._queues: defaultdict[str, set[SimpleQueue[JobEvent | None]]] = defaultdict(set)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._is_running: Callable[[], bool] = lambda: True
        self._thread = threading.Thread(target=self._run, name="event-feed", daemon=True)

    @property
    def stopped(self) -> bool:
        """Whether the feed has ended, so that blocked requests must return."""
        return self._stopped.is_set()

    def start(self, *, is_running: Callable[[], bool] = lambda: True) -> None:
        """Start reading; stop when `is_running` returns False."""
        self._is_running = is_running
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and wake every subscriber."""
        self._stopped.set()
        self._wake_subscribers()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * READ_WAIT_MS / 1000)

    @contextmanager
    def subscribe(
        self, job_id: str, *, after: EventPosition | None = None
    ) -> Iterator[Subscription]:
        """Subscribe to a job's events, including buffered ones `after` a position."""
        events: SimpleQueue[JobEvent | None] = SimpleQueue()
        with self._lock:
            subscription = Subscription(self._position, self._missed(job_id, after), events)
            self._queues[job_id].add(events)
        try:
            yield subscription
        finally:
            with self._lock:
                self._queues[job_id].discard(events)
                if not self._queues[job_id]:
                    del self._queues[job_id]

    def _missed(self, job_id: str, after: EventPosition | None) -> tuple[JobEvent, ...] | None:
        if after is None or self._complete_since is None or after < self._complete_since:
            return None
        missed: list[JobEvent] = []
        for event in reversed(self._buffer):
            if parse_position(event.position) <= after:
                break
            if event.job_id == job_id:
                missed.append(event)
        return tuple(reversed(missed))

    def _run(self) -> None:
        while self._continues():
            try:
                self._read_events()
            except LedgerUnavailable as error:
                _log.warning("Cannot read events; retrying in %g s: %s", RETRY_S, error)
                self._stopped.wait(RETRY_S)
            except Exception:  # noqa: BLE001 - the thread must survive any error
                _log.exception("Reading events failed; retrying in %g s", RETRY_S)
                self._stopped.wait(RETRY_S)
        self._stopped.set()
        self._wake_subscribers()

    def _continues(self) -> bool:
        return not self._stopped.is_set() and self._is_running()

    def _read_events(self) -> None:
        """Read everything in the ledger's capped stream, then follow new events."""
        position = "0-0"
        synchronized = False
        while self._continues():
            wait_ms = READ_WAIT_MS if synchronized else 1
            events = self._ledger.events(after=position, wait_ms=wait_ms)
            if not synchronized:
                self._synchronize(events)
                synchronized = True
            for event in events:
                position = event.position
                self._publish(event)

    def _synchronize(self, events: list[JobEvent]) -> None:
        """Clear the buffer if `events` do not continue it, and let all subscribers read again."""
        with self._lock:
            oldest = parse_position(events[0].position) if events else (0, 0)
            if self._complete_since is None or oldest > parse_position(self._position):
                self._buffer.clear()
                self._complete_since = oldest
        self._wake_subscribers()

    def _publish(self, event: JobEvent) -> None:
        with self._lock:
            if parse_position(event.position) <= parse_position(self._position):
                return
            if len(self._buffer) == self._buffer.maxlen:
                self._complete_since = parse_position(self._buffer[0].position)
            self._buffer.append(event)
            self._position = event.position
            for queue in self._queues.get(event.job_id, ()):
                queue.put(event)

    def _wake_subscribers(self) -> None:
        with self._lock:
            for queues in self._queues.values():
                for queue in queues:
                    queue.put(None)
