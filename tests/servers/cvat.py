"""A CVAT server with one task of images, as far as cvat-sdk and cvat-cli 2.80.0 ask for it.

It stands in for the real one, which needs PostgreSQL, ClickHouse, OPA and a dozen containers.
"""

import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

VERSION = "2.80.0"
TASK_ID, FUNCTION_ID = 3, 11
_DATE = "2026-11-01T00:00:00Z"


@dataclass
class CvatServer:
    """The task, what was sent to it, and annotation requests that wait for an agent."""

    images: Sequence[bytes]
    """PNG files, the frames of the task."""
    labels: Sequence[tuple[str, str]]
    """The names and types of the task's labels. Their ids start at 100."""
    url: str = ""
    functions: list[dict[str, Any]] = field(default_factory=list)
    """The native functions that were created."""
    waiting: list[dict[str, Any]] = field(default_factory=list)
    """Parameters of requests for annotations."""
    completed: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """The reasons that users see."""
    stored: list[dict[str, Any]] = field(default_factory=list)
    """The annotations of the task."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Return the status and the body of the answer to a request."""
        for pattern, handler in self._routes().items():
            if re.fullmatch(pattern, f"{method} {path}"):
                return handler(body)
        return 404, {"detail": f"{method} {path}"}

    def _routes(self) -> dict[str, Any]:
        queue = f"POST /api/functions/queues/function:{FUNCTION_ID}/requests"
        return {
            "GET /api/server/about": lambda _: (200, _about()),
            "GET /api/users/self": lambda _: (200, {"id": 1, "username": "a", "url": self.url}),
            f"GET /api/tasks/{TASK_ID}": lambda _: (200, self._task()),
            f"GET /api/tasks/{TASK_ID}/data/meta": lambda _: (200, self._meta()),
            f"GET /api/tasks/{TASK_ID}/data": lambda _: (200, self._chunk()),
            "GET /api/labels": lambda _: (200, self._labels()),
            f"PATCH /api/tasks/{TASK_ID}/annotations": self._store,
            "POST /api/functions": self._create_function,
            f"GET /api/functions/{FUNCTION_ID}": lambda _: (200, self.functions[-1]),
            f"{queue}/acquire": self._acquire,
            f"{queue}/ar/complete": self._complete,
            f"{queue}/ar/fail": self._fail,
        }

    def _task(self) -> dict[str, Any]:
        return {
            "id": TASK_ID,
            "url": f"{self.url}/api/tasks/{TASK_ID}",
            "name": "photos",
            "size": len(self.images),
            "data_chunk_size": 72,
            "data_original_chunk_type": "imageset",
            "data_compressed_chunk_type": "imageset",
            "updated_date": _DATE,
            "jobs": {"url": f"{self.url}/api/jobs", "count": 1, "completed": 0, "validation": 0},
            "labels": {"url": f"{self.url}/api/labels?task_id={TASK_ID}"},
            "organization": None,
        }

    def _meta(self) -> dict[str, Any]:
        names = [f"{index}.png" for index in range(len(self.images))]
        return {
            "chunks_updated_date": _DATE,
            "image_quality": 70,
            "deleted_frames": [],
            "frames": [
                {"name": name, "width": 40, "height": 24, "related_files": 0} for name in names
            ],
        }

    def _chunk(self) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for index, image in enumerate(self.images):
                archive.writestr(f"{index:06d}.png", image)
        return file.getvalue()

    def _labels(self) -> dict[str, Any]:
        results = [
            {"id": 100 + index, "name": name, "type": kind, "attributes": [], "sublabels": []}
            for index, (name, kind) in enumerate(self.labels)
        ]
        return {"count": len(results), "next": None, "previous": None, "results": results}

    def _store(self, body: Any) -> tuple[int, Any]:
        self.stored += body["shapes"]
        return 200, {"version": 0, "tags": [], "shapes": [], "tracks": []}

    def _create_function(self, body: Any) -> tuple[int, Any]:
        self.functions.append({"id": FUNCTION_ID, **body})
        return 201, self.functions[-1]

    def _acquire(self, body: Any) -> tuple[int, Any]:
        is_batch = body["request_category"] == "batch"
        parameters = self.waiting.pop(0) if self.waiting and is_batch else None
        return 200, {"ar_assignment": parameters and {"ar_id": "ar", "ar_params": parameters}}

    def _complete(self, body: Any) -> tuple[int, Any]:
        self.completed.append(body)
        return 200, {}

    def _fail(self, body: Any) -> tuple[int, Any]:
        self.failed.append(body["exc_info"])
        return 200, {}


def _about() -> dict[str, Any]:
    return {"name": "CVAT", "description": "", "version": VERSION, "subtitle": "", "logo_url": ""}


class _Server(ThreadingHTTPServer):
    cvat: CvatServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path).rstrip("/")
        status, body = self.server.cvat.answer(
            self.command, path, json.loads(sent) if sent else None
        )
        is_file = isinstance(body, bytes)
        raw = body if is_file else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/zip" if is_file else "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_POST = do_PATCH = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


@contextmanager
def running_cvat(cvat: CvatServer) -> Iterator[CvatServer]:
    """Serve on a free loopback port for the length of the block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.cvat = cvat
    cvat.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield cvat
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
