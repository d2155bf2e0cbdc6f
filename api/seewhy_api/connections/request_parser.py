"""Parses requests as waitress does, with limits that waitress lacks."""

import threading
from typing import Any

from waitress.parser import HTTPRequestParser
from waitress.receiver import ChunkedReceiver
from waitress.utilities import BadRequest, Error

MAX_CHUNK_LINE_BYTES = 1024
MAX_TRAILER_BYTES = 8192


class RequestTimeout(Error):  # type: ignore[misc]
    """The client sends its request too slowly."""

    code = 408
    reason = "Request Timeout"


class BufferFull(Error):  # type: ignore[misc]
    """The bodies of all clients together exceed the limit."""

    code = 503
    reason = "Service Unavailable"


class BodyBudget:
    """Counts the bytes of all request bodies that a process buffers."""

    def __init__(self, max_bytes: int) -> None:
        """Allow `max_bytes` at once."""
        self._max_bytes = max_bytes
        self._used_bytes = 0
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """The bytes that are buffered now."""
        return self._used_bytes

    def acquire(self, size_bytes: int) -> bool:
        """Count `size_bytes` more; return False, and count nothing, beyond the limit."""
        with self._lock:
            if self._used_bytes + size_bytes > self._max_bytes:
                return False
            self._used_bytes += size_bytes
            return True

    def release(self, size_bytes: int) -> None:
        """Count `size_bytes` less."""
        with self._lock:
            self._used_bytes -= size_bytes


class RequestParser(HTTPRequestParser):  # type: ignore[misc]
    """One request of a connection, as far as it has been received."""

    def __init__(self, adjustments: Any, *, budget: BodyBudget) -> None:
        """Count the body in `budget` until `close`."""
        super().__init__(adjustments)
        self._budget = budget
        self._counted_bytes = 0

    def received(self, data: bytes) -> int:
        """Parse the next bytes; return how many belong to this request."""
        before_bytes = self.body_bytes_received
        consumed: int = super().received(data)
        added_bytes = self.body_bytes_received - before_bytes
        if added_bytes and not self.error:
            self._count(added_bytes)
        if isinstance(self.body_rcv, ChunkedReceiver) and not self.error:
            self._check_chunks(self.body_rcv)
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the header. A request with two kinds of length is refused (RFC 9112, 6.1)."""
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            self.fail(BadRequest("Send either Content-Length or Transfer-Encoding, not both."))

    def fail(self, error: Error) -> None:
        """Give up the request; the client receives `error`."""
        self.error = error
        self.completed = True

    def close(self) -> None:
        """Drop the body."""
        self._budget.release(self._counted_bytes)
        self._counted_bytes = 0
        super().close()

    def _count(self, size_bytes: int) -> None:
        if self._budget.acquire(size_bytes):
            self._counted_bytes += size_bytes
        else:
            self.fail(BufferFull("Too many uploads at once. Retry later."))

    def _check_chunks(self, body: ChunkedReceiver) -> None:
        # waitress searches both again from their start at every read.
        if len(body.control_line) > MAX_CHUNK_LINE_BYTES or len(body.trailer) > MAX_TRAILER_BYTES:
            self.fail(BadRequest("The chunk header or trailer is too long."))
