"""The event feed: one reader per process, and its recovery when events may be missing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.types import JobEvent
from seewhy.schemas.job import JobState
from seewhy_api.streaming.event_feed import EventFeed, parse_position
from servers.waiting import wait_until


class ScriptedLedger(MemoryLedger):
    """A ledger whose events the test controls."""

    def __init__(self) -> None:
        super().__init__()
        self.scripted: list[JobEvent] = []
        self.read_after = "0-0"
        self.unavailable = threading.Event()

    def add(self, n: int, job_id: str, state: JobState = JobState.RUNNING) -> JobEvent:
        self.scripted.append(event := JobEvent(f"{n}-0", job_id, state))
        return event

    def events(self, *, after: str, wait_ms: int) -> list[JobEvent]:
        del wait_ms
        if self.unavailable.wait(timeout=0.005):
            raise LedgerUnavailable("Redis does not respond.")
        self.read_after = after
        return [
            event
            for event in self.scripted
            if parse_position(event.position) > parse_position(after)
        ]


@contextmanager
def started_feed(
    ledger: ScriptedLedger, *, buffer_size: int = 100, is_running: Callable[[], bool] = lambda: True
) -> Iterator[EventFeed]:
    feed = EventFeed(ledger=ledger, buffer_size=buffer_size)
    feed.start(is_running=is_running)
    try:
        yield feed
    finally:
        feed.stop()


def wait_until_read(ledger: ScriptedLedger, position: str) -> None:
    wait_until(lambda: ledger.read_after == position, what=f"{position} is read")


def missed(feed: EventFeed, job_id: str, after: str) -> tuple[JobEvent, ...] | None:
    with feed.subscribe(job_id, after=parse_position(after)) as subscription:
        return subscription.missed


def test_a_late_process_reads_the_events_that_the_ledger_still_holds() -> None:
    ledger = ScriptedLedger()
    mine = [ledger.add(n, "mine" if n % 2 else "other") for n in range(1, 6)][::2]
    with started_feed(ledger) as feed:
        wait_until_read(ledger, "5-0")
        assert missed(feed, "mine", "1-0") == tuple(mine[1:])
        assert missed(feed, "mine", "5-0") == ()
        assert missed(feed, "mine", "0-0") is None, "events before the oldest are unknown"


def test_events_that_left_the_buffer_are_reported_as_unknown() -> None:
    ledger = ScriptedLedger()
    events = [ledger.add(n, "mine") for n in range(1, 6)]
    with started_feed(ledger, buffer_size=2) as feed:
        wait_until_read(ledger, "5-0")
        assert missed(feed, "mine", "2-0") is None
        assert missed(feed, "mine", "3-0") == tuple(events[3:])


def test_a_subscription_receives_only_the_events_of_its_job() -> None:
    ledger = ScriptedLedger()
    with started_feed(ledger) as feed, feed.subscribe("mine") as subscription:
        ledger.add(1, "other")
        mine = ledger.add(2, "mine")
        event = subscription.events.get(timeout=60)
        while event is None:  # the feed has just synchronized
            event = subscription.events.get(timeout=60)
        assert event == mine


def test_a_gap_in_the_events_makes_subscribers_read_the_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger = ScriptedLedger()
    ledger.add(1, "mine")
    with started_feed(ledger) as feed:
        wait_until_read(ledger, "1-0")
        with feed.subscribe("mine") as subscription:
            ledger.unavailable.set()
            wait_until(lambda: "Cannot read events" in caplog.text, what="Redis is unavailable")
            ledger.scripted.clear()
            late = ledger.add(9, "mine")
            ledger.unavailable.clear()
            assert subscription.events.get(timeout=60) is None
            assert subscription.events.get(timeout=60) == late
        assert missed(feed, "mine", "1-0") is None, "events in the gap are unknown"
        assert missed(feed, "mine", "9-0") == ()


def test_an_interruption_without_a_gap_neither_loses_nor_repeats_events(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger = ScriptedLedger()
    ledger.add(1, "mine")
    with started_feed(ledger) as feed:
        wait_until_read(ledger, "1-0")
        with feed.subscribe("mine") as subscription:
            ledger.unavailable.set()
            wait_until(lambda: "Cannot read events" in caplog.text, what="Redis is unavailable")
            late = ledger.add(2, "mine")
            ledger.unavailable.clear()
            assert subscription.events.get(timeout=60) is None
            assert subscription.events.get(timeout=60) == late
        assert missed(feed, "mine", "1-0") == (late,)


def test_shutdown_wakes_all_subscribers() -> None:
    ledger = ScriptedLedger()
    ledger.add(1, "other")
    stopping = threading.Event()
    with started_feed(ledger, is_running=lambda: not stopping.is_set()) as feed:
        wait_until_read(ledger, "1-0")
        with feed.subscribe("mine") as subscription:
            stopping.set()
            assert subscription.events.get(timeout=60) is None
            assert feed.stopped
