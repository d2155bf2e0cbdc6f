"""The messages of an event stream, wherever its connections are cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.client.sse import Message
from seewhy.errors import InvalidRequest
from seewhy.ledger.types import JobEvent
from seewhy.schemas.job import JobState
from seewhy_api.streaming.event_feed import parse_position
from seewhy_api.streaming.event_stream import (
    OUTCOME_ID,
    EventSequence,
    SseMessage,
    format_message,
    format_retry,
    parse_last_event_id,
)
from sse_messages import read_messages

OUTCOMES = [state for state in JobState if state.terminal]
JOB = "a job"


@st.composite
def histories(draw: st.DrawFn) -> list[JobEvent]:
    """Draw the events of a job that may run several times before it ends."""
    retries = draw(st.integers(0, 3))
    states = [JobState.RUNNING, JobState.QUEUED] * retries + [JobState.RUNNING] * draw(
        st.integers(0, 1)
    )
    gaps = draw(st.lists(st.integers(1, 9), min_size=len(states) + 1, max_size=len(states) + 1))
    positions = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    states.append(draw(st.sampled_from(OUTCOMES)))
    return [JobEvent(f"1800000000000-{n}", JOB, s) for n, s in zip(positions, states, strict=True)]


def connect(
    history: list[JobEvent], *, after: str, read: int, written: int, buffered: bool
) -> list[SseMessage]:
    """Return all messages for a client that connects with `after`.

    The feed had read `read` events when the client connected, and the ledger had written `written`
    events when the record was read.
    """
    position_after = parse_position(after) if after else None
    missed = None
    if buffered and position_after is not None:
        missed = [
            event for event in history[:read] if parse_position(event.position) > position_after
        ]
    sequence = EventSequence(after=position_after)
    states = [JobState.QUEUED, *(event.state for event in history)]
    position = history[read - 1].position if read else "1800000000000-0"
    messages = sequence.start(states[written], position=position, missed=missed)
    for event in history[read:]:
        messages += (
            sequence.on_state(history[-1].state)
            if event.state.terminal
            else sequence.on_event(event)
        )
    assert sequence.finished
    return messages


def collect(history: list[JobEvent], data: st.DataObject, *, buffered: bool) -> list[SseMessage]:
    """Return the messages of connections that are cut anywhere, by processes that lag."""
    messages: list[SseMessage] = []
    last = ""
    for _ in range(data.draw(st.integers(0, 4), label="cuts")):
        read = data.draw(st.integers(0, len(history)), label="read")
        written = data.draw(st.integers(read, len(history)), label="written")
        part = connect(history, after=last, read=read, written=written, buffered=buffered)
        part = part[: data.draw(st.integers(0, len(part)), label="cut")]
        messages += part
        last = part[-1].id if part else last
        if last == OUTCOME_ID:
            return messages
    end = len(history)
    return messages + connect(history, after=last, read=end, written=end, buffered=buffered)


@given(histories(), st.data())
def test_the_outcome_is_sent_once_and_last_wherever_the_stream_is_cut(
    history: list[JobEvent], data: st.DataObject
) -> None:
    messages = collect(history, data, buffered=data.draw(st.booleans()))
    assert [part for part in messages if part.id == OUTCOME_ID] == [messages[-1]]
    assert messages[-1].state is history[-1].state
    positions = [parse_position(part.id) for part in messages[:-1]]
    assert positions == sorted(positions)


@given(histories(), st.data())
def test_a_resumed_stream_neither_skips_nor_repeats_a_change(
    history: list[JobEvent], data: st.DataObject
) -> None:
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(history)), max_size=4)))]
    messages = connect(history, after="", read=cuts[0], written=cuts[0], buffered=True)[:1]
    for read in cuts[1:]:
        if messages[-1].id == OUTCOME_ID:
            break
        part = connect(history, after=messages[-1].id, read=read, written=read, buffered=True)
        messages += part[: data.draw(st.integers(0, len(part)))]
    if messages[-1].id != OUTCOME_ID:
        end = len(history)
        messages += connect(history, after=messages[-1].id, read=end, written=end, buffered=True)
    expected = [JobState.QUEUED, *(event.state for event in history)]
    assert [part.state for part in messages] == expected


def test_a_change_included_in_the_current_state_is_not_sent_again() -> None:
    running = JobEvent("1800000000000-5", JOB, JobState.RUNNING)
    sequence = EventSequence()
    assert sequence.start(JobState.RUNNING, position="1800000000000-4", missed=None) == [
        SseMessage("1800000000000-4", JobState.RUNNING)
    ]
    assert sequence.on_event(running) == []


def test_reading_the_record_after_resuming_adds_only_the_outcome() -> None:
    sequence = EventSequence(after=parse_position("1800000000000-5"))
    assert sequence.start(JobState.RUNNING, position="1800000000000-9", missed=()) == []
    assert sequence.on_state(JobState.RUNNING) == []
    assert sequence.on_state(JobState.FAILED) == [SseMessage(OUTCOME_ID, JobState.FAILED)]
    assert sequence.on_state(JobState.FAILED) == []


@pytest.mark.parametrize("text", ["", "0", "1-", "-1", "1-2-3", "x-y", "1-2\n", "9" * 21 + "-0"])
def test_an_invalid_event_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_last_event_id(text)


def test_the_client_parses_what_the_api_writes() -> None:
    message = SseMessage("1800000000000-5", JobState.RUNNING)
    text = (
        format_retry(1500) + ": a comment\n\n" + format_message(message, {"id": "x", "é": "a\nb"})
    )
    first, second = read_messages(text.splitlines())
    assert first == Message(retry_ms=1500)
    assert second.id == "1800000000000-5"
    assert json.loads(second.data) == {"id": "x", "é": "a\nb"}


def test_an_unterminated_message_is_ignored() -> None:
    assert list(read_messages(["id: 1-1", 'data: {"status": "succeeded"}'])) == []
