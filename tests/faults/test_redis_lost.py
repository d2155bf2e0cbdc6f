"""F25: Redis forgets everything in the middle of the load, or its last second; no job is lost."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from seewhy.client import Client
from seewhy.explanations import State
from seewhy.ledger.redis import open_ledger
from seewhy.objects.adapter import open_store
from seewhy.objects.keys import EPOCH_KEY
from seewhy.processes.ports import free_port
from seewhy.settings import Settings, load
from servers.house import house
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until

JOBS = 200


@pytest.fixture
def server(tmp_path: Path):
    with start_valkey(tmp_path / "valkey") as running:
        yield running


@pytest.fixture
def building(server: RedisServer, tmp_path: Path):
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
    with house(settings, tmp_path) as running:
        running.start_api()
        wait_until(lambda: marked(settings), what="the installation is marked")
        yield running


def marked(settings: Settings) -> bool:
    return open_ledger(settings).marker().epoch is not None


def outcome(client: httpx2.Client, job_id: str, seen: Counter[tuple[str, str]]) -> None:
    """Ask like a patient client until the job has ended, and once more after that."""
    deadline = time.monotonic() + 60
    ended = 0
    while ended < 2:
        assert time.monotonic() < deadline, f"{job_id} has not ended"
        answer = client.get(f"/v1/explanations/{job_id}")
        if answer.status_code == 200 and State(answer.json()["status"]).terminal:
            seen[job_id, answer.json()["status"]] += 1
            ended += 1
        time.sleep(0.05)


@pytest.mark.parametrize("seed", [2])
def test_jobs_outlive_the_loss_of_everything_in_redis(building, server, photos, seed):
    building.start_stub_worker(batch_ms=20)
    picture = (photos / "cat.jpg").read_bytes()
    accepted: list[str] = []
    lost = threading.Event()

    def submit(client: httpx2.Client, number: int) -> str:
        if number == JOBS * (1 + seed) // 5:
            with server.client() as redis:
                redis.flushall()
            lost.set()
        while True:
            answer = client.post(
                "/v1/explanations",
                files={"image": ("cat.jpg", picture, "image/jpeg")},
                data={"request": '{"cache": false}'},
                headers={"Idempotency-Key": f"key {number}"},
            )
            if answer.status_code in {200, 202}:
                return str(answer.json()["id"])
            time.sleep(0.1)

    with (
        httpx2.Client(base_url=building.url, timeout=30, trust_env=False) as client,
        ThreadPoolExecutor(4) as threads,
    ):
        accepted = list(threads.map(lambda number: submit(client, number), range(JOBS)))
        assert lost.is_set()
        seen: Counter[tuple[str, str]] = Counter()
        list(threads.map(lambda job_id: outcome(client, job_id, seen), accepted))

    assert seen == {(job_id, "succeeded"): 2 for job_id in accepted}
    ledger = open_ledger(building.settings)
    wait_until(lambda: marked(building.settings), what="the ledger is marked again")
    counts = ledger.counts()
    assert (counts.drift, counts.non_terminal, counts.accepted) == (0, 0, JOBS)
    assert len(set(accepted)) == JOBS


def test_what_a_restarted_redis_had_not_written_is_brought_back(building, server, photos):
    """As after a power cut under `appendfsync everysec`: the record is gone, the rest is there."""
    with Client(building.url) as client:
        job_id = client.submit(photos / "cat.jpg", cache=False).id
        kept = client.submit(photos / "cat.jpg", cache=False).id
    with server.client() as redis:
        redis.delete(f"seewhy:job:{job_id}")
        redis.zrem("seewhy:due", job_id)
        redis.zrem("seewhy:lane:efficientnet-lite0:interactive", job_id)
        redis.hincrby("seewhy:books", "accepted", -1)
    server.stop()
    server.start()
    building.start_stub_worker()
    ledger = open_ledger(building.settings)
    for known in (job_id, kept):
        wait_until(
            lambda known=known: (
                (record := ledger.read(known)) is not None and record.state is State.SUCCEEDED
            ),
            what=f"{known} has succeeded",
        )
    assert ledger.counts().drift == 0


def test_a_bucket_that_was_marked_is_never_taken_for_a_new_installation(building, server):
    store = open_store(building.settings)
    epoch = store.get(EPOCH_KEY)
    with server.client() as redis:
        redis.flushall()
    wait_until(lambda: marked(building.settings), what="the ledger is marked again")
    assert store.get(EPOCH_KEY) == epoch
    assert list(store.keys("jobs/")) == []
