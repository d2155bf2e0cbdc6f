"""Parse server-sent events (https://html.spec.whatwg.org/#server-sent-events)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """The fields before one blank line: an event, or only a new retry delay."""

    id: str = ""
    data: str = ""
    retry_ms: int | None = None


class MessageParser:
    """Makes messages of lines; a message cut off by the end of the stream is dropped."""

    def __init__(self) -> None:
        """Start at the beginning of a stream."""
        self._last_id = ""
        self._data: list[str] = []
        self._retry_ms: int | None = None

    def feed(self, line: str) -> Message | None:
        """Take the next line, without its end; return the message that it completes."""
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            data, retry_ms = "\n".join(self._data), self._retry_ms
            self._data, self._retry_ms = [], None
            return Message(self._last_id, data, retry_ms) if data or retry_ms is not None else None
        if field == "id":
            self._last_id = value
        elif field == "data":
            self._data.append(value)
        elif field == "retry" and value.isdecimal():
            self._retry_ms = int(value)
        return None
