"""The ledger's events, read once per process for everyone who waits there."""

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import JobEvent

READ_MS = 250
KEPT = 10_000

EventPosition = tuple[int, int]
"""A position in the ledger's stream of events, in a form that can be compared."""

_log = logging.getLogger(__name__)


def parse_position(position: str) -> EventPosition:
    """Read a position as the ledger writes it, milliseconds and a number."""
    at_ms, _, number = position.partition("-")
    return int(at_ms), int(number)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one waiter hears of one job. Nothing falls between `missed` and `heard`."""

    position: str
    """The latest event of any job when it began to listen."""
    missed: tuple[JobEvent, ...] | None
    """The job's events after the place asked for; None where they are no longer all known."""
    heard: SimpleQueue[JobEvent | None]
    """What came since, in order; None says that something may have been missed: look yourself."""


class EventFeed:
    """One thread and one connection read the events; any number of threads hear of them."""

    def __init__(self, *, ledger: Ledger, kept: int = KEPT) -> None:
        """Read `ledger` once started, and remember the last `kept` events."""
        self._ledger = ledger
        self._recent: deque[JobEvent] = deque(maxlen=kept)
        self._whole_from: EventPosition | None = None
        self._position = "0-0"
        self._ears: defaultdict[str, set[SimpleQueue[JobEvent | None]]] = defaultdict(set)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._going: Callable[[], bool] = lambda: True
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)

    @property
    def stopped(self) -> bool:
        """Whether nothing more will be heard: whoever waits should go home."""
        return self._stopped.is_set()

    def start(self, *, going: Callable[[], bool] = lambda: True) -> None:
        """Begin to read; stop, too, when `going` says that the process is to end."""
        self._going = going
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and wake everyone."""
        self._stopped.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * READ_MS / 1000)

    @contextmanager
    def listen(self, job_id: str, *, after: EventPosition | None = None) -> Iterator[Subscription]:
        """Hear of a job from now on, and of what came `after` a place as far as it is known."""
        heard: SimpleQueue[JobEvent | None] = SimpleQueue()
        with self._lock:
            ear = Subscription(self._position, self._missed(job_id, after), heard)
            self._ears[job_id].add(heard)
        try:
            yield ear
        finally:
            with self._lock:
                self._ears[job_id].discard(heard)
                if not self._ears[job_id]:
                    del self._ears[job_id]

    def _missed(self, job_id: str, after: EventPosition | None) -> tuple[JobEvent, ...] | None:
        if after is None or self._whole_from is None or after < self._whole_from:
            return None
        missed: list[JobEvent] = []
        for event in reversed(self._recent):
            if parse_position(event.position) <= after:
                break
            if event.job_id == job_id:
                missed.append(event)
        return tuple(reversed(missed))

    def _run(self) -> None:
        while self._goes_on():
            try:
                self._follow()
            except LedgerUnavailable as error:
                _log.warning("cannot read events, trying again: %s", error)
                self._stopped.wait(1)
            except Exception:  # noqa: BLE001 - the thread outlives whatever one read meets
                _log.exception("reading events failed")
                self._stopped.wait(1)
        self._stopped.set()
        self._wake()

    def _goes_on(self) -> bool:
        return not self._stopped.is_set() and self._going()

    def _follow(self) -> None:
        """Read all that the capped stream still holds, then what comes."""
        position = "0-0"
        joined = False
        while self._goes_on():
            events = self._ledger.events(after=position, wait_ms=READ_MS if joined else 1)
            if not joined:
                self._join(events)
                joined = True
            for event in events:
                position = event.position
                self._hear(event)

    def _join(self, events: list[JobEvent]) -> None:
        """Find out whether what is read next continues what is known."""
        with self._lock:
            oldest = parse_position(events[0].position) if events else (0, 0)
            if self._whole_from is None or oldest > parse_position(self._position):
                self._recent.clear()
                self._whole_from = oldest
        self._wake()

    def _hear(self, event: JobEvent) -> None:
        with self._lock:
            if parse_position(event.position) <= parse_position(self._position):
                return
            if len(self._recent) == self._recent.maxlen:
                self._whole_from = parse_position(self._recent[0].position)
            self._recent.append(event)
            self._position = event.position
            for ear in self._ears.get(event.job_id, ()):
                ear.put(event)

    def _wake(self) -> None:
        with self._lock:
            for ears in self._ears.values():
                for ear in ears:
                    ear.put(None)
