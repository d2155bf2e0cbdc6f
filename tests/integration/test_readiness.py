"""`/readyz` while workers start, stop and die, with real processes."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from seewhy.embedded.tcp_ports import free_port
from seewhy.settings import load
from servers.process_cluster import ProcessCluster, start_cluster
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until

NO_WORKERS = {"count": 0, "models": {}, "on_demand": {}}
ONE_WORKER = {
    "count": 1,
    "models": {"efficientnet-lite0": 1, "vgg16": 1},
    "on_demand": {},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with start_valkey(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def cluster(server: RedisServer, tmp_path: Path) -> Iterator[ProcessCluster]:
    """An API without workers, whose registrations expire after two seconds."""
    settings = load(
        {},
        redis_url=server.url,
        store_url=f"file://{tmp_path}/objects",
        worker_models=("vgg16", "efficientnet-lite0"),
        api_port=free_port(),
        lease_s=2.0,
    )
    with start_cluster(settings, tmp_path) as cluster:
        cluster.start_api()
        yield cluster


def readyz(cluster: ProcessCluster) -> tuple[int, dict[str, Any]]:
    response = httpx2.get(f"{cluster.url}/readyz", timeout=10)
    return response.status_code, response.json()


def workers(cluster: ProcessCluster) -> Any:
    return readyz(cluster)[1]["workers"]


def test_an_api_without_workers_accepts_requests(cluster: ProcessCluster) -> None:
    assert readyz(cluster) == (
        200,
        {"status": "ok", "checks": {"ledger": "ok", "store": "ok"}, "workers": NO_WORKERS},
    )


def test_a_worker_is_counted_until_it_shuts_down(cluster: ProcessCluster) -> None:
    worker = cluster.start_stub_worker()
    wait_until(lambda: workers(cluster) == ONE_WORKER, what="the worker is ready")

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 0

    assert workers(cluster) == NO_WORKERS


def test_a_killed_worker_is_counted_until_its_registration_expires(cluster: ProcessCluster) -> None:
    worker = cluster.start_stub_worker()
    wait_until(lambda: workers(cluster) == ONE_WORKER, what="the worker is ready")

    killed_s = time.monotonic()
    os.kill(worker.pid, signal.SIGKILL)

    wait_until(lambda: workers(cluster) == NO_WORKERS, what="the end of the lease", limit_s=10)
    # The lease of two seconds is renewed three times in its length.
    assert time.monotonic() - killed_s > 1


def test_without_redis_the_workers_are_unknown(
    cluster: ProcessCluster, server: RedisServer
) -> None:
    server.kill()

    status, body = readyz(cluster)

    assert (status, body["status"], body["workers"]) == (503, "unavailable", None)
