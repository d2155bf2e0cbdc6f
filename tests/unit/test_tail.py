"""One reader of events per process: what it remembers, and when it says that it does not know."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.types import JobEvent, Submission
from seewhy.schemas.job import JobState
from seewhy_api.routes.events import Pace, SseWriter
from seewhy_api.streaming.event_feed import EventFeed, parse_position
from seewhy_api.streaming.event_stream import HEARTBEAT
from servers.waiting import wait_until

LANE = "a model:interactive"


class Stream(MemoryLedger):
    """A ledger whose stream of events is in the test's hands."""

    def __init__(self) -> None:
        super().__init__()
        self.stream: list[JobEvent] = []
        self.reached = "0-0"
        self.away = threading.Event()

    def add(self, n: int, job_id: str, state: JobState = JobState.RUNNING) -> JobEvent:
        self.stream.append(event := JobEvent(f"{n}-0", job_id, state))
        return event

    def events(self, *, after: str, wait_ms: int) -> list[JobEvent]:
        del wait_ms
        if self.away.wait(timeout=0.005):
            raise LedgerUnavailable("the test says so")
        self.reached = after
        return [
            event for event in self.stream if parse_position(event.position) > parse_position(after)
        ]


@contextmanager
def tailing(
    ledger: Stream, *, kept: int = 100, going: Callable[[], bool] = lambda: True
) -> Iterator[EventFeed]:
    tail = EventFeed(ledger=ledger, kept=kept)
    tail.start(going=going)
    try:
        yield tail
    finally:
        tail.stop()


def read_to(ledger: Stream, position: str) -> None:
    wait_until(lambda: ledger.reached == position, what=f"{position} is read")


def missed(tail: EventFeed, job_id: str, after: str) -> tuple[JobEvent, ...] | None:
    with tail.listen(job_id, after=parse_position(after)) as ear:
        return ear.missed


def test_a_process_that_starts_late_knows_what_the_stream_still_holds():
    ledger = Stream()
    mine = [ledger.add(n, "mine" if n % 2 else "other") for n in range(1, 6)][::2]
    with tailing(ledger) as tail:
        read_to(ledger, "5-0")
        assert missed(tail, "mine", "1-0") == tuple(mine[1:])
        assert missed(tail, "mine", "5-0") == ()
        assert missed(tail, "mine", "0-0") is None, "what came before the oldest is not known"


def test_what_is_forgotten_is_never_taken_for_nothing():
    ledger = Stream()
    events = [ledger.add(n, "mine") for n in range(1, 6)]
    with tailing(ledger, kept=2) as tail:
        read_to(ledger, "5-0")
        assert missed(tail, "mine", "2-0") is None
        assert missed(tail, "mine", "3-0") == tuple(events[3:])


def test_who_listens_hears_of_its_own_job_alone():
    ledger = Stream()
    with tailing(ledger) as tail, tail.listen("mine") as ear:
        ledger.add(1, "other")
        mine = ledger.add(2, "mine")
        heard = ear.heard.get(timeout=60)
        while heard is None:  # the tail joined in just now
            heard = ear.heard.get(timeout=60)
        assert heard == mine


def test_after_a_gap_in_what_was_read_everyone_is_told_to_look(caplog: pytest.LogCaptureFixture):
    ledger = Stream()
    ledger.add(1, "mine")
    with tailing(ledger) as tail:
        read_to(ledger, "1-0")
        with tail.listen("mine") as ear:
            ledger.away.set()
            wait_until(lambda: "cannot read events" in caplog.text, what="Redis is away")
            ledger.stream.clear()
            late = ledger.add(9, "mine")
            ledger.away.clear()
            assert ear.heard.get(timeout=60) is None
            assert ear.heard.get(timeout=60) == late
        assert missed(tail, "mine", "1-0") is None, "what came in between is not known"
        assert missed(tail, "mine", "9-0") == ()


def test_an_interruption_without_a_gap_loses_nothing_and_repeats_nothing(
    caplog: pytest.LogCaptureFixture,
):
    ledger = Stream()
    ledger.add(1, "mine")
    with tailing(ledger) as tail:
        read_to(ledger, "1-0")
        with tail.listen("mine") as ear:
            ledger.away.set()
            wait_until(lambda: "cannot read events" in caplog.text, what="Redis is away")
            late = ledger.add(2, "mine")
            ledger.away.clear()
            assert ear.heard.get(timeout=60) is None
            assert ear.heard.get(timeout=60) == late
        assert missed(tail, "mine", "1-0") == (late,)


def test_when_the_process_is_to_end_everyone_is_woken():
    ledger = Stream()
    leaving = threading.Event()
    with tailing(ledger, going=lambda: not leaving.is_set()) as tail, tail.listen("mine") as ear:
        assert ear.heard.get(timeout=60) is None, "it joined"
        leaving.set()
        assert ear.heard.get(timeout=60) is None
        assert tail.stopped


def test_a_silent_stream_beats_and_ends_after_its_longest_time():
    ledger = Stream()
    ledger.submit(Submission("mine", LANE, "{}"))
    tail = EventFeed(ledger=ledger)
    pace = Pace(heartbeat_s=0.02, longest_s=0.1)
    teller = SseWriter(ledger=ledger, tail=tail, show=lambda _: {}, pace=pace)
    with tail.listen("mine") as ear:
        record = teller.read("mine")
        assert record is not None
        retry, present, *beats = teller.text(record, ear, after=None)
    assert retry.startswith("retry: ")
    assert '"queued"' in present
    assert set(beats) == {HEARTBEAT}


def test_a_stream_finds_the_outcome_whose_event_was_lost():
    ledger = Stream()
    ledger.submit(Submission("mine", LANE, "{}"))
    tail = EventFeed(ledger=ledger)
    teller = SseWriter(
        ledger=ledger,
        tail=tail,
        show=lambda record: {"status": record.state},
        pace=Pace(heartbeat_s=0.02),
    )
    with tail.listen("mine") as ear:
        record = teller.read("mine")
        assert record is not None
        text = teller.text(record, ear, after=None)
        next(text)
        next(text)
        ledger.cancel("mine")
        *_, outcome = text
    assert outcome == 'id: end\ndata: {"status": "cancelled"}\n\n'
