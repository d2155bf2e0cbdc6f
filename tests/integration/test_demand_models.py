"""Two models and memory for one of them: real processes with stub models."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from metrics_samples import scrape
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.schemas.job import JobState
from servers.process_cluster import ProcessCluster, running_api
from servers.valkey import RedisServer
from servers.waiting import wait_until

MODELS = ("efficientnet-lite0", "vgg16")
MODEL_BYTES = 8_000_000


@pytest.fixture
def cluster(valkey: RedisServer, tmp_path: Path) -> Iterator[ProcessCluster]:
    changes = {
        "worker_demand_models": ",".join(MODELS),
        "loaded_models_bytes": 10_000_000,
        "worker_metrics_port": free_port(),
        "lease_s": 3,
    }
    with running_api(valkey, tmp_path, **changes) as cluster:
        yield cluster


def submit(cluster: ProcessCluster, image: bytes, model: str) -> dict[str, Any]:
    response = httpx2.post(
        f"{cluster.url}/v1/explanations",
        files={"image": image, "request": (None, json.dumps({"model": model}), "application/json")},
    )
    assert response.status_code in {200, 202}, response.text
    return dict(response.json())


def test_both_models_are_served_by_one_worker_that_has_memory_for_one(
    cluster: ProcessCluster, photos: Path
) -> None:
    registry = open_ledger(cluster.settings).workers
    cluster.start_stub_worker(load_ms=200, model_bytes=MODEL_BYTES)
    wait_until(lambda: len(registry.list_workers()) == 1, what="the worker registers")
    (worker,) = registry.list_workers()
    assert (worker.models, worker.on_demand) == ((), MODELS)
    counts = httpx2.get(f"{cluster.url}/readyz").json()["workers"]
    assert counts == {"count": 1, "models": {}, "on_demand": dict.fromkeys(MODELS, 1)}

    images = [(photos / name).read_bytes() for name in ("cat.jpg", "coffee.jpg")]
    jobs = [submit(cluster, image, model) for image in images for model in MODELS]
    assert [job["warnings"] for job in jobs] == [[]] * len(jobs), "they are served on demand"

    def states() -> list[str]:
        paths = (f"{cluster.url}/v1/explanations/{job['id']}" for job in jobs)
        return [httpx2.get(path).json()["status"] for path in paths]

    wait_until(lambda: states() == [JobState.SUCCEEDED] * len(jobs), what="all jobs end")
    (worker,) = registry.list_workers()
    assert len(worker.models) == 1
    assert worker.details.model_bytes == {worker.models[0]: MODEL_BYTES}
    samples = scrape(cluster.metrics_ports("worker")[0])
    loads = [samples[f"seewhy_model_loads_total|{model}|loaded"] for model in MODELS]
    assert loads == [1, 1]
    dropped = next(model for model in MODELS if model not in worker.models)
    assert samples[f"seewhy_model_drops_total|{dropped}"] == 1
    assert samples[f"seewhy_model_bytes|{dropped}"] == 0
    assert samples["seewhy_model_budget_bytes"] == 10_000_000
