"""Parse server-sent events (https://html.spec.whatwg.org/#server-sent-events)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """The fields before one blank line: an event, or only a new retry delay."""

    id: str = ""
    data: str = ""
    retry_ms: int | None = None


def read_messages(lines: Iterable[str]) -> Iterator[Message]:
    """Yield complete messages; a message cut off by the end of the stream is dropped."""
    last_id, data, retry_ms = "", list[str](), None
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data or retry_ms is not None:
                yield Message(last_id, "\n".join(data), retry_ms)
            data, retry_ms = [], None
        elif field == "id":
            last_id = value
        elif field == "data":
            data.append(value)
        elif field == "retry" and value.isdecimal():
            retry_ms = int(value)
