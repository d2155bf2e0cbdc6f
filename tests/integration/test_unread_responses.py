"""Clients that ask for large responses and read nothing of them."""

import io
import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import httpx2
import psutil
import pytest

from batch_requests import item, ndjson
from http_api import finish_next_job
from seewhy.ledger.redis.client.packing import unpack
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.connections import worker as worker_module
from seewhy_api.connections.limits import ServerLimits
from seewhy_api.connections.worker import WaitressWorker
from servers.process_cluster import ProcessCluster, running_api
from servers.valkey import RedisServer
from servers.waiting import wait_until
from slow_clients import ANSWER_LIMIT_S, assert_serves, attackers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

CLIENTS = 12
REQUEST = "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n"
OVERLAY_BYTES = 3_000_000
OVERLAYS = 6
ARCHIVES_OF_A_TENANT = 4
"""An eighth of the threads."""
BUFFER_BYTES = 1_000_000
"""What a client may leave unread of a stream before its thread waits."""
BODY_BYTES = 8_000_000
LIMITS = ServerLimits(
    request_threads=2,
    stream_threads=1,
    max_connections=100,
    max_body_bytes=1_000_000,
    max_buffered_bytes=1_000_000_000,
    header_timeout_s=60,
    body_timeout_s=60,
    body_min_bytes_per_s=1_000,
)

Address = tuple[str, int]
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def spooled_bytes(process_id: int) -> int:
    """Return the size of the temporary files of a process, which have no names."""
    size = 0
    for link in Path(f"/proc/{process_id}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            if str(link.readlink()).endswith(" (deleted)"):
                size += link.stat().st_size
    return size


def await_still_buffers(process_id: int) -> int:
    """Wait until nothing more is buffered; return how much is."""
    sizes = [-1]

    def is_still() -> bool:
        sizes.append(spooled_bytes(process_id))
        return sizes[-20:] == sizes[-1:] * 20

    wait_until(is_still, what="the buffers do not change")
    return sizes[-1]


def statuses(sockets: list[socket.socket]) -> list[int]:
    """Return the status of each response, without reading it."""
    return sorted(int(sock.recv(12, socket.MSG_PEEK).split()[1]) for sock in sockets)


def finished_batch(cluster: ProcessCluster, photos: Path) -> str:
    """Submit a batch and finish it with large overlays, which are all one object."""
    photo = (photos / "cat.jpg").read_bytes()
    response = httpx2.post(
        f"{cluster.url}/v1/batches",
        content=ndjson([item(photo, cache=False)] * OVERLAYS),
        headers={"Content-Type": "application/x-ndjson"},
    )
    batch_url = f"{cluster.url}/v1/batches/{response.json()['id']}"
    wait_until(
        lambda: httpx2.get(batch_url).json()["counts"]["queued"] == OVERLAYS,
        what="the items are jobs",
    )
    key = "results/overlay.jpg"
    open_store(cluster.settings).put(key, os.urandom(OVERLAY_BYTES), content_type="image/jpeg")
    redis = open_ledger(cluster.settings).scripts.client
    for _ in range(OVERLAYS):
        finish_next_job(cluster.settings)
    for line in httpx2.get(f"{batch_url}/results").text.splitlines():
        job_key = f"{{seewhy}}:job:{json.loads(line)['id']}"
        result = json.loads(unpack(redis.hget(job_key, "result")))
        redis.hset(job_key, "result", json.dumps(result | {"objects": {"overlay": key}}))
    return batch_url


class InProcessWorker(WaitressWorker):
    """The API's event loop and threads, in this process and without gunicorn's master."""

    def __init__(self, app: App, sock: socket.socket) -> None:
        self.wsgi, self.sockets = app, [SimpleNamespace(sock=sock)]
        self.alive, self.ppid = True, os.getppid()

    def notify(self) -> None:
        """Tell no one that this worker is alive."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Address]]:
    """Serve an application with `LIMITS` and changes of them; at the end, its threads end."""
    monkeypatch.setattr(worker_module, "GRACEFUL_TIMEOUT_S", 0)
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, open_files)

        def start(app: App, **limits: Any) -> Address:
            sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            kind = type("Worker", (InProcessWorker,), {"limits": replace(LIMITS, **limits)})
            worker = kind(app, sock)
            thread = threading.Thread(target=worker.run)
            thread.start()
            stack.callback(stop, worker, thread)
            return sock.getsockname()

        def stop(worker: InProcessWorker, thread: threading.Thread) -> None:
            worker.handle_exit(signal.SIGTERM, None)
            thread.join()
            for listener in worker._listeners:
                wait_until(lambda: not _serving_threads(), what="no thread waits for a client")
                listener.close()

        yield start


def _serving_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("request_")]


def send_body(_: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Length", str(BODY_BYTES))])
    return [bytes(BODY_BYTES)]


def ask(address: Address) -> socket.socket:
    """Send a request and read nothing."""
    sock = socket.create_connection(address, timeout=ANSWER_LIMIT_S)
    sock.sendall(REQUEST.format("/").encode())
    return sock


def read_body(sock: socket.socket) -> int:
    """Read a response and return the size of its body."""
    received = bytearray()
    while len(body := received.partition(b"\r\n\r\n")[2]) < BODY_BYTES:
        part = sock.recv(1_000_000)
        assert part, "the connection was closed"
        received += part
    return len(body)


def test_archives_that_are_never_read_fill_no_disk_and_hold_few_threads(
    valkey: RedisServer, tmp_path: Path, photos: Path
) -> None:
    with running_api(valkey, tmp_path) as cluster:
        (serving,) = psutil.Process(cluster.processes[-1].pid).children()
        batch_url = finished_batch(cluster, photos)
        request = REQUEST.format(f"{batch_url.removeprefix(cluster.url)}/overlays.zip")
        with attackers(cluster, CLIENTS, request.encode()) as sockets:
            refused = CLIENTS - ARCHIVES_OF_A_TENANT
            assert statuses(sockets) == [200] * ARCHIVES_OF_A_TENANT + [503] * refused
            spooled = await_still_buffers(serving.pid)
            assert_serves(cluster, photos)
        most_bytes = BUFFER_BYTES + OVERLAY_BYTES
        assert spooled <= ARCHIVES_OF_A_TENANT * (most_bytes + OVERLAY_BYTES), "what was sent stays"
        archive = httpx2.Response(503)

        def is_sent() -> bool:
            nonlocal archive
            archive = httpx2.get(f"{batch_url}/overlays.zip", timeout=ANSWER_LIMIT_S)
            return archive.status_code == 200

        wait_until(is_sent, what="the slots of the attackers are free")
        with ZipFile(io.BytesIO(archive.content)) as files:
            assert files.testzip() is None
            assert [each.file_size for each in files.infolist()] == [OVERLAY_BYTES] * OVERLAYS


def test_of_too_many_unread_responses_those_that_stall_for_longest_are_dropped(
    serve: Callable[..., Address],
) -> None:
    before_bytes = spooled_bytes(os.getpid())
    address = serve(send_body, max_buffered_bytes=3 * BODY_BYTES)
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(ask(address))
        honest = stack.enter_context(ask(address))
        assert read_body(honest) == BODY_BYTES
        spooled = await_still_buffers(os.getpid()) - before_bytes
        assert 0 < spooled <= 3 * BODY_BYTES


def test_the_file_of_a_response_is_dropped_once_it_was_read(serve: Callable[..., Address]) -> None:
    before_bytes = spooled_bytes(os.getpid())
    with ask(serve(send_body)) as sock:
        assert read_body(sock) == BODY_BYTES
        wait_until(lambda: spooled_bytes(os.getpid()) == before_bytes, what="the file is gone")
        sock.sendall(REQUEST.format("/").encode())
        assert read_body(sock) == BODY_BYTES


def test_a_client_that_reads_nothing_is_disconnected(serve: Callable[..., Address]) -> None:
    before_bytes = spooled_bytes(os.getpid())
    buffered = threading.Event()

    def send_and_tell(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        yield from send_body(environ, start)
        buffered.set()

    with ask(serve(send_and_tell, write_timeout_s=0.2)) as sock:
        wait_until(buffered.is_set, what="the response is buffered")
        wait_until(lambda: spooled_bytes(os.getpid()) == before_bytes, what="the file is gone")
        with pytest.raises(AssertionError, match="closed"):
            read_body(sock)


@pytest.mark.parametrize("write_timeout_s", [0.2, 60])
def test_an_unread_stream_ends_with_its_connection_or_its_process(
    request: pytest.FixtureRequest, serve: Callable[..., Address], write_timeout_s: float
) -> None:
    sent_bytes, ended = 0, threading.Event()

    def send_without_end(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        nonlocal sent_bytes
        start_response("200 OK", [])
        try:
            while True:
                sent_bytes += 100_000
                yield bytes(100_000)
        finally:
            ended.set()

    # Left open: with the longer timeout, the end of `serve` disconnects the client.
    sock = ask(serve(send_without_end, write_timeout_s=write_timeout_s))
    request.addfinalizer(sock.close)
    if write_timeout_s < 1:
        wait_until(ended.is_set, what="the stream has ended")
    else:
        wait_until(lambda: sent_bytes > LIMITS.response_buffer_bytes, what="the thread waits")
        assert not ended.is_set()
