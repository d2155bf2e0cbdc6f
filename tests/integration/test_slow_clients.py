"""Slow, silent and greedy clients of a real API process; an honest client is served meanwhile."""

import json
import re
import resource
import select
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
import pytest

from http_api import finish_next_job
from seewhy.client import Client
from servers.process_cluster import ProcessCluster, running_api
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until
from slow_clients import ANSWER_LIMIT_S, assert_serves, attackers

STALLED_UPLOAD = (
    b"POST /v1/explanations HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
    b"Content-Length: 5000000\r\n\r\n{"
)
CHUNKED_UPLOAD = (
    b"POST /v1/explanations HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
)
PARTIAL_HEADER = b"GET / HT"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessCluster]:
    """An API process for tests that leave it as it is. Other tests start APIs beside it."""
    with (
        start_valkey(tmp_path_factory.mktemp("valkey")) as valkey,
        running_api(valkey, tmp_path_factory.mktemp("api")) as cluster,
    ):
        yield cluster


def response_to(sock: socket.socket) -> tuple[int, dict[str, Any]]:
    """Read until the server closes; return the status and the problem."""
    text = b""
    while part := sock.recv(65_536):
        text += part
    header, _, body = text.partition(b"\r\n\r\n")
    assert b"application/problem+json" in header
    return int(header.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    ("count", "sent"),
    [(64, STALLED_UPLOAD), (500, PARTIAL_HEADER), (500, b"")],
    ids=["stalled uploads", "partial headers", "silent connections"],
)
def test_an_honest_client_is_served_among_slow_ones(
    valkey: RedisServer, tmp_path: Path, photos: Path, count: int, sent: bytes
) -> None:
    with running_api(valkey, tmp_path) as cluster, attackers(cluster, count, sent):
        assert_serves(cluster, photos)


def test_a_slow_request_is_answered_with_408_and_a_silent_connection_is_closed(
    valkey: RedisServer, tmp_path: Path
) -> None:
    limits = {"api_header_timeout_s": 1, "api_body_timeout_s": 1}
    with (
        running_api(valkey, tmp_path, **limits) as cluster,
        attackers(cluster, 1, STALLED_UPLOAD) as (upload,),
        attackers(cluster, 1, PARTIAL_HEADER) as (header,),
        attackers(cluster, 1, b"") as (silent,),
    ):
        for sock, what in ((upload, "body"), (header, "header")):
            status, problem = response_to(sock)
            assert (status, problem["code"]) == (408, "request_timeout")
            assert problem["detail"] == f"The request {what} took longer than 1 s."
        assert silent.recv(1) == b""


def test_a_dripping_upload_is_refused_for_its_rate(valkey: RedisServer, tmp_path: Path) -> None:
    with (
        running_api(valkey, tmp_path) as cluster,
        attackers(cluster, 1, STALLED_UPLOAD) as (upload,),
    ):
        status, problem = response_to(upload)
        assert (status, problem["code"]) == (408, "request_timeout")
        assert "slower than 1000 bytes per second" in problem["detail"]


def test_at_the_connection_limit_silent_connections_make_room(
    valkey: RedisServer, tmp_path: Path, photos: Path
) -> None:
    with (
        running_api(valkey, tmp_path, api_connections=32) as cluster,
        attackers(cluster, 100, b""),
        attackers(cluster, 100, PARTIAL_HEADER),
    ):
        assert_serves(cluster, photos)


@pytest.mark.skipif(sys.platform != "linux", reason="changes the limits of another process")
def test_a_process_that_may_open_few_files_survives_more_connections(
    valkey: RedisServer, tmp_path: Path, photos: Path
) -> None:
    with running_api(valkey, tmp_path) as cluster:
        master = psutil.Process(cluster.processes[-1].pid)
        master.rlimit(resource.RLIMIT_NOFILE, (512, 512))
        (serving,) = master.children()
        serving.kill()
        wait_until(cluster.is_ready, what="the API is ready again")
        (serving,) = master.children()
        with attackers(cluster, 700, b""):
            assert_serves(cluster, photos)
        assert serving.is_running()
        assert "Too many open files" not in cluster.read_log("api")


def test_uploads_beyond_the_buffer_get_503_and_others_are_served_after_them(
    valkey: RedisServer, tmp_path: Path, photos: Path
) -> None:
    body = STALLED_UPLOAD + b" " * 600_000
    with running_api(valkey, tmp_path, api_buffered_bytes=1_000_000) as cluster:
        with attackers(cluster, 2, body) as uploads:
            refused, _, _ = select.select(uploads, [], [], ANSWER_LIMIT_S)
            problems = [response_to(upload) for upload in refused]
            # Both are refused when each is read while the other's buffer is still held.
            assert {(status, problem["code"]) for status, problem in problems} == {
                (503, "service_unavailable")
            }
        wait_until(lambda: _accepts(cluster, photos), what="the buffers of both are free")


def _accepts(cluster: ProcessCluster, photos: Path) -> bool:
    body = {"image": (photos / "cat.jpg").read_bytes() + b" " * 500_000}
    response = httpx2.post(f"{cluster.url}/v1/explanations", files=body, timeout=ANSWER_LIMIT_S)
    return response.status_code == 202


def test_a_client_that_sends_too_much_reads_why(valkey: RedisServer, tmp_path: Path) -> None:
    with running_api(valkey, tmp_path) as cluster:
        header = STALLED_UPLOAD.replace(b"5000000", b"50000000")
        with attackers(cluster, 1, header + b" " * 3_000_000) as (upload,):
            status, problem = response_to(upload)
        assert (status, problem["code"]) == (413, "image_too_large")


@pytest.mark.skipif(sys.platform != "linux", reason="changes the limits of another process")
def test_an_upload_that_the_disk_cannot_hold_gets_503(
    valkey: RedisServer, tmp_path: Path, photos: Path
) -> None:
    with running_api(valkey, tmp_path) as cluster:
        (serving,) = psutil.Process(cluster.processes[-1].pid).children()
        serving.rlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        with attackers(cluster, 1, STALLED_UPLOAD + b" " * 300_000) as (upload,):
            status, problem = response_to(upload)
        assert (status, problem["code"]) == (503, "service_unavailable")
        assert_serves(cluster, photos)
        assert "Traceback" not in cluster.read_log("api")


def test_responses_that_are_never_read_hold_no_thread(
    valkey: RedisServer, tmp_path: Path, photos: Path
) -> None:
    with running_api(valkey, tmp_path, api_threads=2) as cluster:
        with Client(cluster.url, timeout_s=ANSWER_LIMIT_S) as client:
            explanation = client.submit(photos / "cat.jpg")
        finish_next_job(cluster.settings, map_=np.zeros((1, 2_500, 2_500), np.float32))
        map_request = (
            f"GET /v1/explanations/{explanation.id}/map.npy HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        with attackers(cluster, 4, 3 * map_request.encode()):
            assert_serves(cluster, photos)
        with attackers(cluster, 1, 3 * map_request.encode()) as (reader,):
            received = 0
            while received < 3 * 25_000_000:
                received += len(reader.recv(1_000_000))


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (CHUNKED_UPLOAD + b"1\r\na\r\n" * 100_000, 400),
        (b"GET / HTTP/1.1\r\nbad\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        (b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /v1/explanations/a/events HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", 400),
        (b"GET /healthz\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
    ids=lambda value: value[:60].decode() if isinstance(value, bytes) else str(value),
)
def test_malformed_http_is_answered_with_a_problem(
    api: ProcessCluster, request_bytes: bytes, status: int
) -> None:
    with attackers(api, 1, request_bytes) as (sock,):
        answered, problem = response_to(sock)
    assert (answered, problem["status"]) == (status, status)
    assert len(problem["detail"]) <= 200
    assert "Traceback" not in api.read_log("api")


def test_a_request_that_expects_100_continue_without_a_body_is_answered_alone(
    api: ProcessCluster,
) -> None:
    """A server that waited for its body would take the next request for a part of it."""
    header = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with attackers(api, 1, header + last) as (sock,):
        text = b""
        while part := sock.recv(65_536):
            text += part
    assert re.findall(rb"HTTP/1.1 (\d+)", text) == [b"200", b"404"]
