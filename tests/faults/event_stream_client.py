"""A client of an event stream that disconnects at random and resumes."""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from seewhy.ledger.types import JobEvent
from seewhy.schemas.job import JobState
from seewhy_api.streaming.event_feed import parse_position
from seewhy_api.streaming.event_stream import OUTCOME_ID
from sse_messages import read_messages

DISCONNECT_PROBABILITY = 0.5
MAX_RECONNECT_DELAY_S = 0.3


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One message of a stream."""

    id: str
    state: JobState
    resumed: bool
    """Whether it arrived over a resumed connection."""


def follow(url: str, job_id: str, *, seed: float) -> list[ReceivedEvent]:
    """Follow a job to its outcome; return the messages of all connections.

    Disconnects at random after a message and resumes with `Last-Event-ID`. Raises
    `AssertionError` when the server would send the outcome again.
    """
    rng = random.Random(seed)
    received: list[ReceivedEvent] = []
    path = f"{url}/v1/explanations/{job_id}/events"
    with httpx2.Client(timeout=30) as client:
        while not (received and received[-1].id == OUTCOME_ID):
            resume = {"Last-Event-ID": received[-1].id} if received else {}
            with client.stream("GET", path, headers=resume) as response:
                assert response.status_code == 200, response.status_code
                for message in read_messages(response.iter_lines()):
                    if not message.data:
                        continue
                    state = JobState(json.loads(message.data)["status"])
                    received.append(ReceivedEvent(message.id, state, resumed=bool(resume)))
                    if rng.random() < DISCONNECT_PROBABILITY:
                        break
            time.sleep(rng.uniform(0, MAX_RECONNECT_DELAY_S))
        again = client.get(path, headers={"Last-Event-ID": OUTCOME_ID})
        assert again.status_code == 204, "the outcome would have been sent twice"
    return received


def expected_states(
    events: Sequence[JobEvent], job_id: str, first: ReceivedEvent
) -> list[JobState]:
    """Return the states that a client must receive, from its first message on."""
    states = [first.state]
    for event in events:
        if event.job_id != job_id or first.id == OUTCOME_ID:
            continue
        is_later = parse_position(event.position) > parse_position(first.id)
        if is_later and event.state is not states[-1]:
            states.append(event.state)
    return states
