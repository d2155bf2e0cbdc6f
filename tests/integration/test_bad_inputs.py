"""The hostile and careless requests of `bad_inputs`, against a real API process."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import suppress

import httpx2
import psutil
import pytest

from bad_inputs import GROUPS
from bad_inputs.case import FILE_NAME, SECRET, Case
from faults.fuzz import fuzz_images, fuzz_requests
from seewhy.embedded.tcp_ports import free_port
from seewhy.settings import load
from seewhy.webhook_secrets import generate_secret
from servers.process_cluster import ProcessCluster, start_cluster
from servers.valkey import RedisServer

MODEL = "efficientnet-lite0"
ANSWER_LIMIT_S = 20.0
"""Twenty times what an answer takes on an idle machine."""
MAX_ECHO_CHARACTERS = 200
MAX_GROWTH_BYTES = 300_000_000


@pytest.fixture(scope="module")
def cluster(
    valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProcessCluster]:
    with valkey.client() as client:
        client.flushdb()
    directory = tmp_path_factory.mktemp("api")
    settings = load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{directory}/objects",
        default_model=MODEL,
        api_port=free_port(),
        webhook_secrets=generate_secret(),
        image_url_hosts="public",
        image_url_timeout_s=2.0,
    )
    with start_cluster(settings, directory) as cluster:
        cluster.start_api()
        yield cluster


def answer(cluster: ProcessCluster, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send one request; return the status, the headers and the body of the answer."""
    address = (cluster.settings.api_host, cluster.settings.api_port)
    with socket.create_connection(address, timeout=ANSWER_LIMIT_S) as sock:
        with suppress(ConnectionError):  # refused before it was sent; the answer says why
            sock.sendall(request)
        received = b""
        while chunk := sock.recv(65_536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status_line.split()[1]), headers, body


def longest_echo(body: bytes, request: bytes) -> int:
    """Return a lower bound of the longest run of `request` in `body`, exact beyond the limit."""
    step = MAX_ECHO_CHARACTERS // 2
    longest = 0
    for start in range(0, len(body) - step + 1, step):
        size = step
        while size <= len(body) - start and body[start : start + size] in request:
            longest = max(longest, size)
            size += 1
    return longest


def mistakes_in(cluster: ProcessCluster, case: Case) -> list[str]:
    """Return what is wrong with the answer to a case."""
    request = case.encode(host=f"localhost:{cluster.settings.api_port}")
    status, headers, body = answer(cluster, request)
    checks = {
        f"{status} instead of {case.statuses}": status in case.statuses,
        "it may be sniffed": headers.get("x-content-type-options") == "nosniff",
        "it names a server": "server" not in headers,
    }
    if status >= 400 and case.method != "HEAD":
        problem = json.loads(body)
        checks |= {
            "no problem": headers["content-type"] == "application/problem+json",
            "another status in the body": problem["status"] == status,
            "no code": re.fullmatch(r"[a-z0-9_]+", problem["code"]) is not None,
            f"{len(body)} bytes": len(body) < 8_000,
            "it repeats the request": longest_echo(body, request) <= MAX_ECHO_CHARACTERS,
        }
    return [f"{case.name}: {why}: {body[:300]!r}" for why, right in checks.items() if not right]


@pytest.mark.parametrize("group", GROUPS)
def test_every_request_of_a_group_gets_a_documented_answer(
    cluster: ProcessCluster, group: str
) -> None:
    (serving,) = psutil.Process(cluster.processes[-1].pid).children()
    before_bytes = serving.memory_info().rss
    mistakes = [mistake for case in GROUPS[group]() for mistake in mistakes_in(cluster, case)]
    assert mistakes == []
    assert serving.is_running(), "the process was replaced"
    assert serving.memory_info().rss - before_bytes < MAX_GROWTH_BYTES
    assert httpx2.get(f"{cluster.url}/healthz", timeout=ANSWER_LIMIT_S).status_code == 200
    log = cluster.read_log("api")
    assert "Traceback" not in log
    for secret in (SECRET.split()[1], FILE_NAME):
        assert secret not in log
    assert all(json.loads(line)["level"] in {"INFO", "WARNING"} for line in log.splitlines())


def test_mutated_requests_get_documented_answers(cluster: ProcessCluster) -> None:
    """`python -m faults.fuzz` sends thousands. About one in fifty is still accepted."""
    statuses = fuzz_requests(cluster, 400, seed=11)
    assert statuses[202] > 0
    assert statuses[422] > 0


@pytest.mark.parametrize("seed", [11, 12])
def test_mutated_images_are_decoded_or_refused(seed: int) -> None:
    results = fuzz_images(300, seed=seed)
    assert results["decoded"] > 0
    assert results["broken_image"] > 0


def test_echoes_are_measured() -> None:
    assert longest_echo(b"ab" + b"x" * 350, b"x" * 1_000) > MAX_ECHO_CHARACTERS
    assert longest_echo(b"ab" + b"x" * 150, b"x" * 1_000) <= MAX_ECHO_CHARACTERS
    assert longest_echo(b"y" * 500, b"x" * 1_000) == 0
