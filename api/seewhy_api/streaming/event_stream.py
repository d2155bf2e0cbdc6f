"""What a client that listens to a job is still to be told: pure, without a clock or a server."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seewhy.errors import InvalidRequest
from seewhy.ledger.types import JobEvent
from seewhy.schemas.job import JobState
from seewhy_api.streaming.event_feed import EventPosition, parse_position

OUTCOME = "end"
"""The id of the outcome. Whoever has it has everything: it needs no place to resume from."""

HEARTBEAT = ": still here\n\n"

_POSITION = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class SseMessage:
    """One message: the state, and the id by which a client resumes after it."""

    id: str
    state: JobState


def resume_point(last_event_id: str) -> EventPosition:
    """Read the id of a message that was not the outcome. Raises `InvalidRequest`."""
    if not _POSITION.fullmatch(last_event_id):
        raise InvalidRequest(f"no event has the id {last_event_id[:50]!r}")
    return parse_position(last_event_id)


def message(told: SseMessage, body: Mapping[str, Any]) -> str:
    """Write one server-sent event."""
    return f"id: {told.id}\ndata: {json.dumps(body, allow_nan=False)}\n\n"


def reconnect_after(delay_ms: int) -> str:
    """Write how long a client is to wait before it comes back."""
    return f"retry: {delay_ms}\n\n"


class EventSequence:
    """The story of one job for one client, in order, its outcome once and last.

    Changes on the way come from events, the outcome from the record alone: events are a courtesy
    and may be lost, the record is the truth.
    """

    def __init__(self, *, after: EventPosition | None = None) -> None:
        """Tell what came `after` the last message that the client has, or all of it."""
        self._place = after or (0, 0)
        self._state: JobState | None = None

    @property
    def over(self) -> bool:
        """Whether the outcome has been told."""
        return self._state is not None and self._state.terminal

    def begin(
        self, state: JobState, *, position: str, missed: Sequence[JobEvent] | None
    ) -> list[SseMessage]:
        """Tell what was missed, or the present state where that is not known; `position` is now.

        `state` was read after `position`, and so is never behind it.
        """
        if missed is None and not state.terminal:
            self._place = max(self._place, parse_position(position))
            return self._tell(state)
        told = [part for event in missed or () for part in self.hear(event)]
        return told + (self.look(state) if state.terminal else [])

    def hear(self, event: JobEvent) -> list[SseMessage]:
        """Tell a change, unless it is the end, which `look` tells, or has been told already."""
        place = parse_position(event.position)
        if self.over or event.state.terminal or place <= self._place:
            return []
        self._place = place
        return [] if event.state is self._state else self._tell(event.state)

    def look(self, state: JobState) -> list[SseMessage]:
        """Tell what the record says, unless that is what the client has been told last."""
        if self.over or state is self._state:
            return []
        if self._state is None and not state.terminal:
            return []  # resumed, and nothing has changed since
        return self._tell(state)

    def _tell(self, state: JobState) -> list[SseMessage]:
        self._state = state
        return [SseMessage(OUTCOME if state.terminal else "{}-{}".format(*self._place), state)]
