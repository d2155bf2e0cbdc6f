"""What a client is told of a job, wherever its connections are cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.client.sse import Message, read_messages
from seewhy.errors import InvalidRequest
from seewhy.ledger.types import JobEvent
from seewhy.schemas.job import JobState
from seewhy_api.streaming.event_feed import parse_position
from seewhy_api.streaming.event_stream import (
    OUTCOME,
    EventSequence,
    SseMessage,
    message,
    reconnect_after,
    resume_point,
)

ENDS = [state for state in JobState if state.terminal]
JOB = "a job"


@st.composite
def stories(draw: st.DrawFn) -> list[JobEvent]:
    """Draw a job's events: it runs, perhaps more than once, and ends."""
    tries = draw(st.integers(0, 3))
    states = [JobState.RUNNING, JobState.QUEUED] * tries + [JobState.RUNNING] * draw(
        st.integers(0, 1)
    )
    gaps = draw(st.lists(st.integers(1, 9), min_size=len(states) + 1, max_size=len(states) + 1))
    places = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    states.append(draw(st.sampled_from(ENDS)))
    return [JobEvent(f"1800000000000-{n}", JOB, s) for n, s in zip(places, states, strict=True)]


def connect(
    story: list[JobEvent], *, after: str, heard: int, written: int, covered: bool
) -> list[SseMessage]:
    """Tell all there is to a client that connects with `after`.

    So many events were `heard` when it came, and so many were `written` when its record was read.
    """
    place = parse_position(after) if after else None
    missed = None
    if covered and place is not None:
        missed = [event for event in story[:heard] if parse_position(event.position) > place]
    telling = EventSequence(after=place)
    states = [JobState.QUEUED, *(event.state for event in story)]
    position = story[heard - 1].position if heard else "1800000000000-0"
    told = telling.begin(states[written], position=position, missed=missed)
    for event in story[heard:]:
        told += telling.look(story[-1].state) if event.state.terminal else telling.hear(event)
    assert telling.over
    return told


def listen(story: list[JobEvent], data: st.DataObject, *, covered: bool) -> list[SseMessage]:
    """Return what is told over connections that are cut anywhere, to processes that lag anyhow."""
    told: list[SseMessage] = []
    last = ""
    for _ in range(data.draw(st.integers(0, 4), label="cuts")):
        heard = data.draw(st.integers(0, len(story)), label="heard")
        written = data.draw(st.integers(heard, len(story)), label="written")
        part = connect(story, after=last, heard=heard, written=written, covered=covered)
        part = part[: data.draw(st.integers(0, len(part)), label="cut")]
        told += part
        last = part[-1].id if part else last
        if last == OUTCOME:
            return told
    end = len(story)
    return told + connect(story, after=last, heard=end, written=end, covered=covered)


@given(stories(), st.data())
def test_the_outcome_comes_once_and_last_wherever_the_stream_is_cut(story, data):
    told = listen(story, data, covered=data.draw(st.booleans()))
    assert [part for part in told if part.id == OUTCOME] == [told[-1]]
    assert told[-1].state is story[-1].state
    places = [parse_position(part.id) for part in told[:-1]]
    assert places == sorted(places)


@given(stories(), st.data())
def test_who_resumes_hears_each_change_once_and_none_is_left_out(story, data):
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(story)), max_size=4)))]
    told = connect(story, after="", heard=cuts[0], written=cuts[0], covered=True)[:1]
    for heard in cuts[1:]:
        if told[-1].id == OUTCOME:
            break
        part = connect(story, after=told[-1].id, heard=heard, written=heard, covered=True)
        told += part[: data.draw(st.integers(0, len(part)))]
    if told[-1].id != OUTCOME:
        end = len(story)
        told += connect(story, after=told[-1].id, heard=end, written=end, covered=True)
    expected = [JobState.QUEUED, *(event.state for event in story)]
    assert [part.state for part in told] == expected


def test_a_change_that_the_present_state_contains_is_not_told_again():
    running = JobEvent("1800000000000-5", JOB, JobState.RUNNING)
    telling = EventSequence()
    assert telling.begin(JobState.RUNNING, position="1800000000000-4", missed=None) == [
        SseMessage("1800000000000-4", JobState.RUNNING)
    ]
    assert telling.hear(running) == []


def test_a_look_after_resuming_repeats_nothing_but_tells_the_outcome():
    telling = EventSequence(after=parse_position("1800000000000-5"))
    assert telling.begin(JobState.RUNNING, position="1800000000000-9", missed=()) == []
    assert telling.look(JobState.RUNNING) == []
    assert telling.look(JobState.FAILED) == [SseMessage(OUTCOME, JobState.FAILED)]
    assert telling.look(JobState.FAILED) == []


@pytest.mark.parametrize("text", ["", "0", "1-", "-1", "1-2-3", "x-y", "1-2\n", "9" * 21 + "-0"])
def test_what_is_no_id_of_an_event_is_refused(text):
    with pytest.raises(InvalidRequest):
        resume_point(text)


def test_what_the_service_writes_the_client_reads():
    told = SseMessage("1800000000000-5", JobState.RUNNING)
    text = reconnect_after(1500) + ": a comment\n\n" + message(told, {"id": "x", "é": "a\nb"})
    first, second = read_messages(text.splitlines())
    assert first == Message(retry_ms=1500)
    assert second.id == "1800000000000-5"
    assert json.loads(second.data) == {"id": "x", "é": "a\nb"}


def test_a_message_without_its_empty_line_is_not_read():
    assert list(read_messages(["id: 1-1", 'data: {"status": "succeeded"}'])) == []
