"""Partial losses of Redis, in addition to F25: the last second of writes, and the epoch marker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seewhy.client import Client
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.schemas.job import JobState
from seewhy.settings import load
from seewhy.storage.keys import EPOCH_KEY
from seewhy.storage.obstore_adapter import open_store
from servers.process_cluster import ProcessCluster, has_epoch, start_cluster
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with start_valkey(tmp_path / "valkey") as running:
        yield running


@pytest.fixture
def cluster(server: RedisServer, tmp_path: Path) -> Iterator[ProcessCluster]:
    settings = load(
        {},
        redis_url=server.url,
        store_url=f"file://{tmp_path}/objects",
        default_model="efficientnet-lite0",
        api_port=free_port(),
        lease_s=2,
        sweep_interval_s=0.5,
        max_batch=4,
    )
    with start_cluster(settings, tmp_path) as running:
        running.start_api()
        wait_until(lambda: has_epoch(settings), what="the epoch is set")
        yield running


def await_success(ledger: RedisLedger, job_id: str) -> None:
    def succeeded() -> bool:
        record = ledger.read(job_id)
        return record is not None and record.state is JobState.SUCCEEDED

    wait_until(succeeded, what=f"{job_id} has succeeded")


def test_jobs_that_redis_lost_on_restart_are_restored(
    cluster: ProcessCluster, server: RedisServer, photos: Path
) -> None:
    """Simulates a power cut under `appendfsync everysec`: one record is lost, the rest is kept."""
    with Client(cluster.url) as client:
        job_id = client.submit(photos / "cat.jpg", cache=False).id
        kept = client.submit(photos / "cat.jpg", cache=False).id
    with server.client() as redis:
        redis.delete(f"{{seewhy}}:job:{job_id}")
        redis.zrem("{seewhy}:due", job_id)
        redis.zrem("{seewhy}:ready:efficientnet-lite0:interactive:default", job_id)
        redis.hincrby("{seewhy}:counters", "accepted", -1)
    server.stop()
    server.start()
    cluster.start_stub_worker()
    ledger = open_ledger(cluster.settings)
    for each in (job_id, kept):
        await_success(ledger, each)
    assert ledger.counts().drift == 0


def test_a_store_with_an_epoch_is_not_taken_for_a_new_installation(
    cluster: ProcessCluster, server: RedisServer
) -> None:
    store = open_store(cluster.settings)
    epoch = store.get(EPOCH_KEY)
    with server.client() as redis:
        redis.flushall()
    wait_until(lambda: has_epoch(cluster.settings), what="the epoch is restored")
    assert store.get(EPOCH_KEY) == epoch
    assert list(store.list_keys("jobs/")) == []
