"""A Label Studio that behaves like the recorded one: tokens, uploads and predictions."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PERSONAL_TOKEN = "header.personal.signature"  # noqa: S105
LEGACY_TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105


@dataclass
class FakeLabelStudio:
    """`url`, what it has, and the requests so far as (method, path, authorization)."""

    url: str = ""
    uploads: dict[str, bytes] = field(default_factory=dict)
    predictions: list[dict[str, Any]] = field(default_factory=list)
    accepts_legacy: bool = False
    access_tokens: list[str] = field(default_factory=list)
    """Those that were given out; the last one is valid."""
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    last_id: int = 0
    """Of a prediction."""
    deleted_tasks: set[int] = field(default_factory=set)
    answering: threading.Event = field(default_factory=threading.Event)
    """While it is not set, predictions are stored, and their requests get no answer."""
    held: dict[str, threading.Event] = field(default_factory=dict)
    """Path → what its answers wait for."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    storing: threading.Lock = field(default_factory=threading.Lock)
    """Held by a request that stores a prediction. SQLite refuses others meanwhile."""

    def __post_init__(self) -> None:
        self.answering.set()

    @property
    def paths(self) -> list[tuple[str, str]]:
        """The requests so far as (method, path)."""
        return [(method, path) for method, path, _ in self.requests]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a service that reads and pushes with the personal token."""
        return {"label_studio_url": self.url, "label_studio_api_key": PERSONAL_TOKEN}

    def is_authorized(self, authorization: str) -> bool:
        """Whether a request may read: a personal token is no access token."""
        valid = {f"Bearer {token}" for token in self.access_tokens[-1:]}
        return authorization in valid | (
            {f"Token {LEGACY_TOKEN}"} if self.accepts_legacy else set()
        )

    def answer(self, method: str, path: str, authorization: str, body: Any) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        self.requests.append((method, path, authorization))
        if (method, path) == ("POST", "/api/token/refresh"):
            if body != {"refresh": PERSONAL_TOKEN}:
                return 401, b"{}"
            self.access_tokens.append(f"access.{len(self.access_tokens)}.token")
            return 200, json.dumps({"access": self.access_tokens[-1]}).encode()
        if not self.is_authorized(authorization):
            return 401, b'{"status_code": 401}'
        parts = urlsplit(path)
        if parts.path.startswith("/api/predictions/"):
            return self._predict(method, parts.path, parts.query, body)
        if method == "GET" and parts.path in self.uploads:
            return 200, self.uploads[parts.path]
        return 404, b"{}"

    def _predict(self, method: str, path: str, query: str, body: Any) -> tuple[int, bytes]:
        if prediction_id := path.split("/")[3]:
            return self._change(method, int(prediction_id), body)
        if method == "POST" and body["task"] in self.deleted_tasks:
            return 400, b'{"validation_errors": {"task": ["Invalid pk"]}}'
        if method == "POST":
            self.last_id += 1
            stored = {**body, "id": self.last_id}
            self.predictions.append(stored)
            return 201, json.dumps(stored).encode()
        (task,) = parse_qs(query)["task"]
        found = [each for each in self.predictions if str(each["task"]) == task]
        return 200, json.dumps(found).encode()

    def _change(self, method: str, prediction_id: int, body: Any) -> tuple[int, bytes]:
        found = [each for each in self.predictions if each["id"] == prediction_id]
        if not found:
            return 404, b"{}"
        if method == "DELETE":
            self.predictions.remove(found[0])
            return 204, b""
        found[0].update(body)
        return 200, json.dumps(found[0]).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        fake: FakeLabelStudio = self.server.fake  # type: ignore[attr-defined]
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        sent = json.loads(raw) if raw else None
        stores = (self.command, self.path) == ("POST", "/api/predictions/")
        if stores and not fake.storing.acquire(blocking=False):
            self._send(500, b"database is locked")
            return
        with fake.lock:
            status, body = fake.answer(
                self.command, self.path, self.headers.get("Authorization", ""), sent
            )
        if stores:
            fake.answering.wait()
            fake.storing.release()
        if self.path in fake.held:
            fake.held[self.path].wait()
        self._send(status, body)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Keep the output of tests clean."""


@contextmanager
def label_studio() -> Iterator[FakeLabelStudio]:
    """Serve a Label Studio for the length of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    fake = FakeLabelStudio(f"http://127.0.0.1:{server.server_port}")
    server.fake = fake  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        for event in (fake.answering, *fake.held.values()):
            event.set()
        server.shutdown()
        server.server_close()
        thread.join()
