"""Follow a stream of server-sent events to its last one."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol, TypeVar

from seewhy.client.resumable_stream import ResumableStream
from seewhy.client.sse import Message, MessageParser
from seewhy.client.transport import Transport, unexpected

_MAX_RETRY_S = 30.0


class _Status(Protocol):
    @property
    def terminal(self) -> bool: ...


class _HasStatus(Protocol):
    @property
    def status(self) -> _Status: ...


Event = TypeVar("Event", bound=_HasStatus)


async def follow_events(
    transport: Transport, path: str, parse: Callable[[Message], Event]
) -> AsyncGenerator[Event, None]:
    """Yield the events at `path` until one with a terminal status.

    `parse` raises `ValueError` for an invalid message. Raises as `ResumableStream.connect` does.
    """
    stream = ResumableStream(transport, path)
    stream.headers["Accept"] = "text/event-stream"
    while True:
        parser = MessageParser()
        async with aclosing(stream.connect()) as lines:
            async for line, response in lines:
                message = parser.feed(line)
                if message is None:
                    continue
                if message.retry_ms is not None:
                    stream.retry_s = min(message.retry_ms / 1000, _MAX_RETRY_S)
                if message.data:
                    try:
                        event = parse(message)
                    except ValueError as error:
                        raise unexpected(response, f"invalid event: {error}") from error
                    stream.headers["Last-Event-ID"] = message.id
                    stream.mark_progress()
                    yield event
                    if event.status.terminal:
                        return
        await stream.pause()
