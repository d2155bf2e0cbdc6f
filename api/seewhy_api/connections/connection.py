"""One client's connection: when it is too slow, and how it is refused."""

import json
import os
import socket
import time
from functools import partial
from http import HTTPStatus
from typing import Any

from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask
from waitress.utilities import Error

from seewhy_api.connections.limits import ServerLimits
from seewhy_api.connections.request_parser import RequestParser, RequestTimeout
from seewhy_api.http.problems import MAX_MISTAKE_CHARACTERS, code_of, cut, problem_members
from seewhy_api.http.security_headers import SECURITY_HEADERS

RATE_WINDOW_S = 10.0
"""The minimum rate of a body applies to each window of this length."""
DISCARD_TIMEOUT_S = 2.0


class ProblemTask(ErrorTask):  # type: ignore[misc]
    """Answers a request that never reached the application, with problem details (RFC 9457)."""

    def execute(self) -> None:
        """Write the response; the connection is closed after it."""
        error: Error = self.request.error
        status = HTTPStatus(error.code)
        members = problem_members(status, code_of(status), cut(error.body, MAX_MISTAKE_CHARACTERS))
        body = json.dumps(members).encode()
        self.status = f"{int(status)} {status.phrase}"
        self.response_headers.append(("Content-Type", "application/problem+json"))
        self.response_headers.extend(SECURITY_HEADERS.items())
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            self.response_headers.append(("Retry-After", "2"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(b"" if getattr(self.request, "command", None) == "HEAD" else body)


class Connection(HTTPChannel):  # type: ignore[misc]
    """A connection whose requests reach a thread only when they are complete."""

    error_task_class = ProblemTask
    request: RequestParser | None
    requests: list[RequestParser]
    will_close: bool
    close_when_flushed: bool
    last_activity: float

    def __init__(self, server: Any, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        """Accept a connection of `server`."""
        self._limits: ServerLimits = server.limits
        self.parser_class = partial(
            RequestParser, budget=server.budget, max_batch_bytes=self._limits.max_batch_bytes
        )
        self._request_started_s: float | None = time.monotonic()
        """When the header's first byte was awaited; None between two requests."""
        self._body_started_s: float | None = None
        self._window_started_s = 0.0
        self._window_bytes = 0
        self._discards_until_s: float | None = None
        self._is_refused = False
        self._is_deferred = False
        self._is_writing = False
        self._sent_bytes = 0
        self._unread: tuple[float, int] | None = None
        """When the client was seen to leave something unread, and what was sent until then."""
        super().__init__(server, sock, *arguments, **named)

    @property
    def idle_since_s(self) -> float | None:
        """When the client last sent or received anything; None with a complete header at work."""
        if self.requests or (self.request is not None and self.request.headers_finished):
            return None
        return float(self.last_activity)

    @property
    def spooled_bytes(self) -> int:
        """The size of the temporary files of responses, including what the client has read."""
        return sum(map(_file_bytes, tuple(self.outbufs)))

    def received(self, data: bytes) -> bool:
        """Parse received bytes, and note when each part of a request started."""
        now_s, before = time.monotonic(), self.request
        if before is None:
            data = data.lstrip(b"\r\n")  # waitress takes each blank line for an empty request
            if not data:
                self._request_started_s = self._request_started_s or now_s
                return False
        accepted: bool = super().received(data)
        if self.request is None or before not in {None, self.request}:
            self._request_started_s = self._body_started_s = None
        if self.request is None:
            return accepted
        self._request_started_s = self._request_started_s or now_s
        if self.request.headers_finished and self._body_started_s is None:
            self._body_started_s = self._window_started_s = now_s
            self._window_bytes = self.request.body_bytes_received
        return accepted

    def check(self) -> None:
        """Refuse or close the connection if the client is too slow. The server calls this often."""
        now_s = time.monotonic()
        if not self.total_outbufs_len:
            self._unread = None
            self._free_sent_file()
        if self._discards_until_s is not None:
            self.will_close |= now_s >= self._discards_until_s
        elif self.total_outbufs_len:
            self._check_reading(now_s)
        elif self.requests:
            return
        elif self.request is None and self._request_started_s is None:
            self.will_close |= time.time() - self.last_activity > self._limits.idle_timeout_s
        else:
            self._check_speed(now_s)

    def write_soon(self, data: Any) -> int:
        """Buffer a part of a response. Waits while the client leaves too much before it unread.

        A complete response is one part, and so never waits. Raises `ClientDisconnected`.
        """
        self._is_writing = True
        try:
            size_bytes = int(super().write_soon(data))
        finally:
            self._is_writing = False
        if size_bytes > self._limits.spool_bytes:
            self.server.make_room(self)
        return size_bytes

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send to the client; return how many bytes it took."""
        sent_bytes = int(super().send(data, do_close=do_close))
        self._sent_bytes += sent_bytes
        return sent_bytes

    def defer(self) -> bool:
        """Let the next request wait, if the client has not read the responses before it.

        waitress would serve it and block the thread until the client reads.
        """
        self._is_deferred = self.total_outbufs_len > self._limits.spool_bytes
        return self._is_deferred

    def service(self) -> None:
        """Serve the oldest complete request, in a thread."""
        self._is_refused = self.requests[0].error is not None
        if self.server.stopping:
            self.requests[0].headers["CONNECTION"] = "close"
        super().service()

    def readable(self) -> bool:
        """Whether to read from the client."""
        return self._discards_until_s is not None or bool(super().readable())

    def writable(self) -> bool:
        """Whether to write to the client, or to serve a request that has waited for it."""
        return self._is_deferred or bool(super().writable())

    def handle_read(self) -> None:
        """Read from the client; drop the rest of a request that was refused."""
        if self._discards_until_s is None:
            super().handle_read()
            return
        try:
            self.recv(self.adj.recv_bytes)
        except OSError:
            self.will_close = True

    def handle_write(self) -> None:
        """Write to the client. A refused request is read on for a while after the response.

        Closing a connection with unread bytes resets it, and the client may lose the response.
        """
        if self.will_close or not self._is_refused:
            super().handle_write()
            if self._is_deferred and self.connected and not self.defer():
                self.server.add_task(self)
            return
        self._flush_exception(self._flush_some_if_lockable)
        if self.close_when_flushed and not (self.total_outbufs_len or self.will_close):
            self.close_when_flushed = False
            self._discards_until_s = time.monotonic() + DISCARD_TIMEOUT_S
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:  # the client has left
                self.will_close = True

    def del_channel(self, map: Any = None) -> None:  # noqa: A002
        """Forget the connection, and the request that it had not sent completely."""
        super().del_channel(map)
        with self.requests_lock:
            if self.request is not None:
                self.request.close()
                self.request = None

    def _flush_outbufs_below_high_watermark(self) -> None:
        # waitress waits for the client between two requests, too: there, `defer` needs no thread.
        if self._is_writing:
            super()._flush_outbufs_below_high_watermark()

    def _free_sent_file(self) -> None:
        """Drop the file of a response that was sent completely. waitress keeps it for the next."""
        if self.outbuf_lock.acquire(blocking=False):
            try:
                if not self.total_outbufs_len and self.outbufs[-1].overflowed:
                    self.outbufs.pop().close()
                    self.outbufs.append(OverflowableBuffer(self.adj.outbuf_overflow))
            finally:
                self.outbuf_lock.release()

    def _check_reading(self, now_s: float) -> None:
        limits = self._limits
        started_s, sent_bytes = self._unread = self._unread or (now_s, self._sent_bytes)
        self.will_close |= time.time() - self.last_activity > limits.write_timeout_s
        if now_s - started_s > limits.write_timeout_s:
            read_bytes = self._sent_bytes - sent_bytes
            self.will_close |= read_bytes < limits.body_min_bytes_per_s * limits.write_timeout_s
            self._unread = None

    def _check_speed(self, now_s: float) -> None:
        limits, request = self._limits, self.request
        if request is None or self._body_started_s is None:
            started_s = self._request_started_s or now_s
            if now_s - started_s > limits.header_timeout_s:
                self._refuse(f"The request header took longer than {limits.header_timeout_s:g} s.")
        elif now_s - self._body_started_s > limits.body_timeout_s:
            self._refuse(f"The request body took longer than {limits.body_timeout_s:g} s.")
        elif now_s - self._window_started_s > RATE_WINDOW_S:
            received_bytes = request.body_bytes_received - self._window_bytes
            if received_bytes < limits.body_min_bytes_per_s * RATE_WINDOW_S:
                rate = limits.body_min_bytes_per_s
                self._refuse(f"The request body is slower than {rate} bytes per second.")
            self._window_started_s = now_s
            self._window_bytes = request.body_bytes_received

    def _refuse(self, slowness: str) -> None:
        with self.requests_lock:
            if self.request is None:  # nothing was sent, so nothing is answered
                self.will_close = True
                return
            self.request.fail(RequestTimeout(slowness))
            self.requests.append(self.request)
            self.request = None
        self.server.add_task(self)


def _file_bytes(buffer: OverflowableBuffer) -> int:
    """Return the size of a buffer's temporary file, which stays until all of it is sent."""
    try:
        return os.fstat(buffer.buf.file.fileno()).st_size if buffer.overflowed else 0
    except (AttributeError, OSError, ValueError):  # it was closed meanwhile
        return 0
