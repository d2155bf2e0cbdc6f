"""Event streams as text: heartbeats, the time limit, and outcomes without an event."""

from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.types import Submission
from seewhy_api.streaming.event_feed import EventFeed
from seewhy_api.streaming.event_stream import HEARTBEAT
from seewhy_api.streaming.sse_writer import SseWriter, StreamTiming

LANE = "a model:interactive"


def test_an_idle_stream_sends_heartbeats_and_ends_at_its_time_limit() -> None:
    ledger = MemoryLedger()
    ledger.submit(Submission("mine", LANE, "{}"))
    feed = EventFeed(ledger=ledger)
    timing = StreamTiming(heartbeat_s=0.02, max_duration_s=0.1)
    writer = SseWriter(ledger=ledger, event_feed=feed, serialize=lambda _: {}, timing=timing)
    with feed.subscribe("mine") as subscription:
        record = writer.read_job("mine")
        assert record is not None
        retry, current, *heartbeats = writer.write(record, subscription, after=None)
    assert retry.startswith("retry: ")
    assert '"queued"' in current
    assert set(heartbeats) == {HEARTBEAT}


def test_a_stream_finds_an_outcome_whose_event_was_lost() -> None:
    ledger = MemoryLedger()
    ledger.submit(Submission("mine", LANE, "{}"))
    feed = EventFeed(ledger=ledger)
    writer = SseWriter(
        ledger=ledger,
        event_feed=feed,
        serialize=lambda record: {"status": record.state},
        timing=StreamTiming(heartbeat_s=0.02),
    )
    with feed.subscribe("mine") as subscription:
        record = writer.read_job("mine")
        assert record is not None
        stream = writer.write(record, subscription, after=None)
        next(stream)
        next(stream)
        ledger.cancel("mine")
        *_, outcome = stream
    assert outcome == 'id: end\ndata: {"status": "cancelled"}\n\n'
