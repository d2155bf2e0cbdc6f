"""What a client that listens to a job is still to be told: pure, without a clock or a server."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seewhy.errors import InvalidRequest
from seewhy.explanations import State
from seewhy.ledger.records import Event
from seewhy_api.tail import Place, place_of

OUTCOME = "end"
"""The id of the outcome. Whoever has it has everything: it needs no place to resume from."""

HEARTBEAT = ": still here\n\n"

_POSITION = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Told:
    """One message: the state, and the id by which a client resumes after it."""

    id: str
    state: State


def resume_point(last_event_id: str) -> Place:
    """Read the id of a message that was not the outcome. Raises `InvalidRequest`."""
    if not _POSITION.fullmatch(last_event_id):
        raise InvalidRequest(f"no event has the id {last_event_id[:50]!r}")
    return place_of(last_event_id)


def message(told: Told, body: Mapping[str, Any]) -> str:
    """Write one server-sent event."""
    return f"id: {told.id}\ndata: {json.dumps(body, allow_nan=False)}\n\n"


def reconnect_after(delay_ms: int) -> str:
    """Write how long a client is to wait before it comes back."""
    return f"retry: {delay_ms}\n\n"


class Telling:
    """The story of one job for one client, in order, its outcome once and last.

    Changes on the way come from events, the outcome from the record alone: events are a courtesy
    and may be lost, the record is the truth.
    """

    def __init__(self, *, after: Place | None = None) -> None:
        """Tell what came `after` the last message that the client has, or all of it."""
        self._place = after or (0, 0)
        self._state: State | None = None

    @property
    def over(self) -> bool:
        """Whether the outcome has been told."""
        return self._state is not None and self._state.terminal

    def begin(self, state: State, *, position: str, missed: Sequence[Event] | None) -> list[Told]:
        """Tell what was missed, or the present state where that is not known; `position` is now.

        `state` was read after `position`, and so is never behind it.
        """
        if missed is None and not state.terminal:
            self._place = max(self._place, place_of(position))
            return self._tell(state)
        told = [part for event in missed or () for part in self.hear(event)]
        return told + (self.look(state) if state.terminal else [])

    def hear(self, event: Event) -> list[Told]:
        """Tell a change, unless it is the end, which `look` tells, or has been told already."""
        place = place_of(event.position)
        if self.over or event.state.terminal or place <= self._place:
            return []
        self._place = place
        return [] if event.state is self._state else self._tell(event.state)

    def look(self, state: State) -> list[Told]:
        """Tell what the record says, unless that is what the client has been told last."""
        if self.over or state is self._state:
            return []
        if self._state is None and not state.terminal:
            return []  # resumed, and nothing has changed since
        return self._tell(state)

    def _tell(self, state: State) -> list[Told]:
        self._state = state
        return [Told(OUTCOME if state.terminal else "{}-{}".format(*self._place), state)]
