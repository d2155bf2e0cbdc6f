"""An HTTP server that sends scripted responses and records the requests."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Response:
    """One response; `hang_up` closes the connection without one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False


@dataclass(frozen=True)
class Request:
    """A recorded request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class ScriptedServer:
    """`url`, the `requests` so far, and the `responses` not yet sent."""

    def __init__(
        self,
        url: str,
        responses: list[Response],
        answer: Callable[[Request], Response] | None = None,
    ) -> None:
        self.url = url
        self.responses = responses
        self.requests: list[Request] = []
        self._answer = answer

    def take(self, request: Request) -> Response:
        self.requests.append(request)
        return self._answer(request) if self._answer else self.responses.pop(0)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    script: ScriptedServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        response = self.server.script.take(request)
        if response.hang_up:
            return
        raw = (
            response.body
            if isinstance(response.body, bytes)
            else json.dumps(response.body).encode()
        )
        self.send_response(response.status)
        for name, value in {**response.headers, "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: the requests are recorded."""


@contextmanager
def scripted(
    *responses: Response, answer: Callable[[Request], Response] | None = None
) -> Iterator[ScriptedServer]:
    """Serve `responses` in order, or what `answer` returns, for the length of the block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    server.script = ScriptedServer(url, list(responses), answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
