"""Server-sent events of one job: which messages a client still needs, and how they are written.

Pure functions and state, without a clock or a server.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seewhy.errors import InvalidRequest
from seewhy.ledger.types import JobEvent
from seewhy.quoting import quote
from seewhy.schemas.job import JobState
from seewhy_api.streaming.event_feed import EventPosition, parse_position

OUTCOME_ID = "end"
"""The id of the outcome's message. Nothing follows it, so it needs no position to resume from."""

HEARTBEAT = ": still here\n\n"

_POSITION = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
EVENT_ID_PATTERN = f"^({_POSITION.pattern}|{OUTCOME_ID})$"


@dataclass(frozen=True, slots=True)
class SseMessage:
    """One message: a state, and the id to resume after."""

    id: str
    state: JobState


def parse_last_event_id(text: str) -> EventPosition:
    """Parse the id of a message other than the outcome's. Raises `InvalidRequest`."""
    if not _POSITION.fullmatch(text):
        raise InvalidRequest(
            f"Last-Event-ID must be the id of an event of this stream, not {quote(text)}."
        )
    return parse_position(text)


def format_message(message: SseMessage, body: Mapping[str, Any]) -> str:
    """Format one server-sent event."""
    return f"id: {message.id}\ndata: {json.dumps(body, allow_nan=False)}\n\n"


def format_retry(delay_ms: int) -> str:
    """Format the field that tells a client how long to wait before it reconnects."""
    return f"retry: {delay_ms}\n\n"


class EventSequence:
    """The messages of one job for one client: in order, without repeats, the outcome last.

    Intermediate states come from events, which may be lost. The outcome comes only from the record,
    which is authoritative.
    """

    def __init__(self, *, after: EventPosition | None = None) -> None:
        """Continue `after` the client's last message, or start from the beginning."""
        self._position = after or (0, 0)
        self._state: JobState | None = None

    @property
    def finished(self) -> bool:
        """Whether the outcome has been emitted."""
        return self._state is not None and self._state.terminal

    def start(
        self, state: JobState, *, position: str, missed: Sequence[JobEvent] | None
    ) -> list[SseMessage]:
        """Return the missed changes, or the current state when `missed` is None.

        `state` must be read after `position`, the current end of the event stream.
        """
        if missed is None and not state.terminal:
            self._position = max(self._position, parse_position(position))
            return self._emit(state)
        messages = [message for event in missed or () for message in self.on_event(event)]
        return messages + (self.on_state(state) if state.terminal else [])

    def on_event(self, event: JobEvent) -> list[SseMessage]:
        """Return the message for an event; empty for an outcome or a state already emitted."""
        position = parse_position(event.position)
        if self.finished or event.state.terminal or position <= self._position:
            return []
        self._position = position
        return [] if event.state is self._state else self._emit(event.state)

    def on_state(self, state: JobState) -> list[SseMessage]:
        """Return the message for the record's state; empty if it was emitted already."""
        if self.finished or state is self._state:
            return []
        if self._state is None and not state.terminal:
            return []  # resumed, and nothing has changed since
        return self._emit(state)

    def _emit(self, state: JobState) -> list[SseMessage]:
        self._state = state
        return [
            SseMessage(OUTCOME_ID if state.terminal else "{}-{}".format(*self._position), state)
        ]
