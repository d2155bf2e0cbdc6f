"""A client of an event stream that hangs up at random and resumes where it was."""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from seewhy.client.sse import read_messages
from seewhy.ledger.types import JobEvent
from seewhy.schemas.job import JobState
from seewhy_api.streaming.event_feed import parse_position
from seewhy_api.streaming.event_stream import OUTCOME

HANG_UP = 0.5
AWAY_S = 0.3


@dataclass(frozen=True, slots=True)
class Heard:
    """One message of a stream."""

    id: str
    state: JobState
    resumed: bool
    """Whether the connection that brought it was not the first."""


def follow(url: str, job_id: str, *, seed: float) -> list[Heard]:
    """Listen to a job until its outcome, and return all that was told over all connections.

    After each message but the outcome the line may drop; the next connection, a moment later, says
    what the last message was. Raises `AssertionError` when the outcome would be told twice.
    """
    chance = random.Random(seed)
    heard: list[Heard] = []
    path = f"{url}/v1/explanations/{job_id}/events"
    with httpx2.Client(timeout=30) as client:
        while not (heard and heard[-1].id == OUTCOME):
            resume = {"Last-Event-ID": heard[-1].id} if heard else {}
            with client.stream("GET", path, headers=resume) as answer:
                assert answer.status_code == 200, answer.status_code
                for message in read_messages(answer.iter_lines()):
                    if not message.data:
                        continue
                    state = JobState(json.loads(message.data)["status"])
                    heard.append(Heard(message.id, state, resumed=bool(resume)))
                    if chance.random() < HANG_UP:
                        break
            time.sleep(chance.uniform(0, AWAY_S))
        again = client.get(path, headers={"Last-Event-ID": OUTCOME})
        assert again.status_code == 204, "the outcome would have been told twice"
    return heard


def states_told(events: Sequence[JobEvent], job_id: str, first: Heard) -> list[JobState]:
    """List what a listener has to hear whose first message was this one: no gap, nothing twice."""
    told = [first.state]
    for event in events:
        if event.job_id != job_id or first.id == OUTCOME:
            continue
        if (
            parse_position(event.position) > parse_position(first.id)
            and event.state is not told[-1]
        ):
            told.append(event.state)
    return told
