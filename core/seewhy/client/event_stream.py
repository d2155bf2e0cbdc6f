"""Listening to one explanation, over as many connections as it takes."""

import json
import time
from collections.abc import Iterator

import httpx2
from pydantic import ValidationError

from seewhy.client.errors import RequestRejected, ServiceUnreachable
from seewhy.client.responses import Event, Explanation
from seewhy.client.sse import Message, read_messages
from seewhy.client.transport import Transport

SILENT_S = 60.0
"""The service says something every 15 s; after so long without a word it is gone."""
_FRUITLESS_AT_MOST = 6
_LONGEST_RETRY_S = 30.0


class _Listener:
    """One explanation's events, and where they are to be resumed."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path
        self._last_id = ""
        self.retry_s = 1.0
        self.connected = False

    def listen_once(self) -> Iterator[Event]:
        """Yield what one connection brings."""
        headers = {"Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        with self._transport.stream(self._path, headers=headers, silent_s=SILENT_S) as response:
            self.connected = True
            for message in read_messages(response.iter_lines()):
                if message.retry_ms is not None:
                    self.retry_s = min(message.retry_ms / 1000, _LONGEST_RETRY_S)
                if message.data:
                    self._last_id = message.id
                    yield self._read(response, message)

    def _read(self, response: httpx2.Response, message: Message) -> Event:
        try:
            body = json.loads(message.data)
            event = Event.model_validate(body)
            if not event.status.terminal:
                return event
            return event.model_copy(update={"explanation": Explanation.model_validate(body)})
        except (ValueError, ValidationError) as error:
            why = f"an event does not read: {error}"
            raise self._transport.unexpected(response, why) from error


def listen(transport: Transport, path: str) -> Iterator[Event]:
    """Yield the events of `path` until the outcome.

    Raises what `Transport.stream` does at the first connection. Later ones may fail, as when the
    service is started anew: only when several in a row bring nothing, it raises, too.
    """
    listener = _Listener(transport, path)
    fruitless = 0
    while True:
        try:
            for event in listener.listen_once():
                fruitless = 0
                yield event
                if event.status.terminal:
                    return
        except (httpx2.TransportError, ServiceUnreachable, RequestRejected) as error:
            fruitless += 1
            away = not isinstance(error, RequestRejected) or error.status == 503
            if not (away and listener.connected and fruitless < _FRUITLESS_AT_MOST):
                if isinstance(error, httpx2.TransportError):
                    raise ServiceUnreachable(f"{path} breaks off: {error}") from error
                raise
        time.sleep(listener.retry_s)
