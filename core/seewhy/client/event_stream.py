"""Follow the events of one explanation, reconnecting when a connection breaks."""

import json
import time
from collections.abc import Generator, Iterator

import httpx2
from pydantic import ValidationError

from seewhy.client.errors import RequestRejected, ServiceUnreachable
from seewhy.client.responses import Event, Explanation
from seewhy.client.sse import Message, read_messages
from seewhy.client.transport import Transport

READ_TIMEOUT_S = 60.0
"""The service sends a heartbeat every 15 s; after this long without one it is gone."""
_MAX_FAILURES = 6
_MAX_RETRY_S = 30.0


class _EventStream:
    """The events at one path, and the id at which to resume them."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path
        self._last_id = ""
        self.retry_s = 1.0
        self.connected_once = False

    def connect(self) -> Iterator[Event]:
        """Yield the events of one connection."""
        headers = {"Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        with self._transport.stream(
            self._path, headers=headers, read_timeout_s=READ_TIMEOUT_S
        ) as response:
            self.connected_once = True
            for message in read_messages(response.iter_lines()):
                if message.retry_ms is not None:
                    self.retry_s = min(message.retry_ms / 1000, _MAX_RETRY_S)
                if message.data:
                    self._last_id = message.id
                    yield self._parse(response, message)

    def _parse(self, response: httpx2.Response, message: Message) -> Event:
        try:
            body = json.loads(message.data)
            event = Event.model_validate(body)
            if not event.status.terminal:
                return event
            return event.model_copy(update={"explanation": Explanation.model_validate(body)})
        except (ValueError, ValidationError) as error:
            raise self._transport.unexpected(response, f"invalid event: {error}") from error


def follow_events(transport: Transport, path: str) -> Generator[Event, None, None]:
    """Yield the events at `path` until a terminal one.

    Raises what `Transport.stream` raises at the first connection. Later connections are retried,
    for example while the service restarts; the error is raised after six failures in a row.
    """
    stream = _EventStream(transport, path)
    failures = 0
    while True:
        try:
            for event in stream.connect():
                failures = 0
                yield event
                if event.status.terminal:
                    return
        except (httpx2.TransportError, ServiceUnreachable, RequestRejected) as error:
            failures += 1
            temporary = not isinstance(error, RequestRejected) or error.status == 503
            if not (temporary and stream.connected_once and failures < _MAX_FAILURES):
                if isinstance(error, httpx2.TransportError):
                    raise ServiceUnreachable(f"{path}: connection lost: {error}") from error
                raise
        time.sleep(stream.retry_s)
