"""Parses requests as waitress does, with limits that waitress lacks."""

import contextlib
import copy
import threading
from typing import IO, Any

from waitress.buffers import OverflowableBuffer
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.utilities import BadRequest, Error

MAX_CHUNK_LINE_BYTES = 1024
MAX_TRAILER_BYTES = 8192
FREE_FRAMING_BYTES = 16_384
"""The chunk headers of a body may have this many bytes, and an eighth of the body."""
BATCHES_PATH = "/v1/batches"
BODILESS_METHODS = {"GET", "HEAD", "OPTIONS"}


class RequestTimeout(Error):  # type: ignore[misc]
    """The client sends its request too slowly."""

    code = 408
    reason = "Request Timeout"


class BufferFull(Error):  # type: ignore[misc]
    """The bodies of all clients together exceed the limit."""

    code = 503
    reason = "Service Unavailable"


class BufferFailed(Error):  # type: ignore[misc]
    """The body cannot be written to its temporary file."""

    code = 503
    reason = "Service Unavailable"


class VersionNotSupported(Error):  # type: ignore[misc]
    """The request is of a version of HTTP other than 1.0 and 1.1."""

    code = 505
    reason = "HTTP Version Not Supported"


class ChunkCollector(ChunkedReceiver):  # type: ignore[misc]
    """Receives a chunked body. Writes once for each read instead of once for each chunk."""

    def __init__(self, body: OverflowableBuffer) -> None:
        """Append the content of the chunks to `body`."""
        self._parts: list[bytes] = []
        self._body = body
        super().__init__(self._parts)

    def __len__(self) -> int:
        return len(self._body)

    def received(self, data: bytes) -> int:
        """Parse received bytes; return how many belong to the body."""
        consumed: int = super().received(data)
        if self._parts:
            self._body.append(b"".join(self._parts))
            self._parts.clear()
        return consumed

    def getfile(self) -> IO[bytes]:
        """Return the body as a file."""
        file: IO[bytes] = self._body.getfile()
        return file

    def getbuf(self) -> OverflowableBuffer:
        """Return the body's buffer."""
        return self._body


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

    body_rcv: Any
    error: Any

    def __init__(
        self, adjustments: Any, *, budget: BodyBudget, max_batch_bytes: int | None = None
    ) -> None:
        """Count the body in `budget` until `close`. A batch may be larger than other bodies."""
        super().__init__(adjustments)
        self._budget = budget
        self._max_batch_bytes = max_batch_bytes
        self._counted_bytes = 0

    def received(self, data: bytes) -> int:
        """Parse the next bytes; return how many belong to this request."""
        before_bytes = self.body_bytes_received
        try:
            consumed: int = super().received(data)
        except OSError:
            self.fail(BufferFailed("The server has no room for uploads. Retry later."))
        except ValueError:  # a URI that urllib cannot split, or a number that is too long
            self.fail(BadRequest("The request is not valid HTTP."))
        if self.completed:
            # A request that is complete or refused waits for no body. waitress would invite one,
            # and take the next request for a part of this one.
            self.expect_continue = False
        if self.error:
            return len(data)
        added_bytes = self.body_bytes_received - before_bytes
        if added_bytes:
            self._count(added_bytes)
        if isinstance(self.body_rcv, ChunkedReceiver) and not self.error:
            self._check_chunks(self.body_rcv)
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the header. Raises `ParsingError` for what waitress accepts against RFC 9112."""
        super().parse_header(header_plus)
        headers = self.headers
        if self._max_batch_bytes and (self.command, self.path) == ("POST", BATCHES_PATH):
            self.adj: Any = copy.copy(self.adj)
            self.adj.max_request_body_size = self._max_batch_bytes + 1
        if self.version not in {"1.0", "1.1"}:
            self.fail(VersionNotSupported("Use HTTP/1.1."))
        if self.chunked and "CONTENT_LENGTH" in headers:
            raise ParsingError("Send either Content-Length or Transfer-Encoding, not both.")
        if "TRANSFER_ENCODING" in headers:
            raise ParsingError("Transfer-Encoding requires HTTP/1.1.")
        if self.version == "1.1" and "HOST" not in headers:
            raise ParsingError("The Host header is missing.")
        if self.command in BODILESS_METHODS and self.body_rcv is not None:
            raise ParsingError(f"{self.command} takes no body.")
        if self.proxy_netloc:  # the absolute form overrides the header (RFC 9112, 3.2.2)
            headers["HOST"] = self.proxy_netloc
        if isinstance(self.body_rcv, ChunkedReceiver):
            self.body_rcv = ChunkCollector(self.body_rcv.getbuf())

    def fail(self, error: Error) -> None:
        """Give up the request; the client receives `error`."""
        self.error = error
        self.completed = True

    def close(self) -> None:
        """Drop the body."""
        self._budget.release(self._counted_bytes)
        self._counted_bytes = 0
        with contextlib.suppress(OSError):  # a file that could not be written fails again
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
        framing_bytes = self.body_bytes_received - len(body)
        if framing_bytes > FREE_FRAMING_BYTES + len(body) // 8:
            self.fail(BadRequest("The chunks are too small."))
