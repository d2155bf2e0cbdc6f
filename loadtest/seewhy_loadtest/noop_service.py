"""A service that does nothing, to measure the generator alone.

It accepts every image at once and says that every job succeeded at once. One process, one thread.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import IO, cast
from urllib.parse import parse_qs, urlsplit

MODULE = "seewhy_loadtest.noop_service"
_END_OF_HEADER = b"\r\n\r\n"
_LENGTH = b"content-length:"
_FIXED = {
    "/v1/models": {"default": "none", "models": []},
    "/readyz": {"status": "ready", "workers": None},
    "/openapi.json": {"info": {"version": "none"}},
}
"""Path → the answer."""


class NoopService:
    """Answers requests from memory."""

    def __init__(self) -> None:
        """Know no job."""
        self._accepted_s: dict[str, float] = {}
        self._numbers = count()

    def answer(self, request_line: str) -> bytes:
        """Return a response with its header."""
        method, target, _ = request_line.split(" ", 2)
        if method == "POST":
            job_id = f"00000000-0000-7000-8000-{next(self._numbers):012x}"
            self._accepted_s[job_id] = time.time()
            return _response(202, {"id": job_id, "status": "queued"})
        url = urlsplit(target)
        if url.path in _FIXED:
            return _response(200, _FIXED[url.path])
        ids = parse_qs(url.query).get("ids", [""])[0].split(",")
        found = [self._job(job_id) for job_id in ids if job_id in self._accepted_s]
        return _response(200, {"explanations": found, "missing": []})

    def _job(self, job_id: str) -> dict[str, object]:
        at = datetime.fromtimestamp(self._accepted_s[job_id], UTC).isoformat(
            timespec="milliseconds"
        )
        times = dict.fromkeys(("submitted_at", "started_at", "finished_at"), at)
        result: dict[str, object] = {"timings_ms": {}}
        return (
            {"id": job_id, "status": "succeeded", "attempts": 1, "error": None}
            | times
            | {"result": result}
        )


def _response(status: int, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


class _Connection(asyncio.Protocol):
    """Reads requests with a `Content-Length` and answers them in order."""

    def __init__(self, service: NoopService) -> None:
        self._service = service
        self._transport: asyncio.Transport | None = None
        self._header = b""
        self._line = ""
        self._missing_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        while data:
            if self._line:
                taken = min(self._missing_bytes, len(data))
                self._missing_bytes -= taken
                data = data[taken:]
            else:
                head, end, data = (self._header + data).partition(_END_OF_HEADER)
                self._header = b"" if end else head
                if not end:
                    return
                self._begin(head)
            if not self._missing_bytes:
                self._answer()

    def _begin(self, header: bytes) -> None:
        self._line = header.split(b"\r\n", 1)[0].decode("latin-1")
        _, found, rest = header.lower().partition(_LENGTH)
        self._missing_bytes = int(rest.split(b"\r\n", 1)[0]) if found else 0

    def _answer(self) -> None:
        if self._transport is not None:
            self._transport.write(self._service.answer(self._line))
        self._line = ""


async def _serve() -> None:
    service = NoopService()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(service), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until the parent closes it, or dies


@contextmanager
def running_noop_service() -> Iterator[str]:
    """Run the service in a process of its own for the length of the block; yield its URL."""
    command = (sys.executable, "-P", "-m", MODULE)
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield cast("IO[str]", process.stdout).readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(_serve())
