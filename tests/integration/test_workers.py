"""The running workers, for operators: over HTTP and on the command line."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from http_api import MODEL
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.cli.app import app
from seewhy.client import Client
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import WorkerDetails
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import Api
from servers.process_cluster import running_api
from servers.valkey import RedisServer
from servers.waiting import wait_until

DETAILS = WorkerDetails(
    version="1.2.3",
    engine="tensorflow 2.21.0",
    max_batch={"vgg16": 4},
    pinned_to="gpu:1",
    jobs=16,
    images_per_s={"vgg16": 812.5},
    model_bytes={"vgg16": 700_000_000},
    failed_loads={"broken": "it is damaged"},
)


def listed(settings: Settings, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    monkeypatch.setenv("SEEWHY_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("COLUMNS", "250")
    shown = CliRunner().invoke(app, ["workers", *options])
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def test_an_administrator_and_an_operator_see_the_same_workers(
    settings: Settings, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = open_ledger(settings).workers
    registry.register(
        "host:7:ab",
        models=["vgg16"],
        on_demand=["rare", "new"],
        loading="new",
        device="NVIDIA H200",
        details=DETAILS,
    )
    registry.register("host:8:cd", models=["vgg16", MODEL])
    key, _ = KeyStore(open_store(settings)).create(tenant="a", scopes=[Scope.ADMIN])
    response = api.flask.test_client().get(
        "/v1/workers", headers={"Authorization": f"Bearer {key.text}"}
    )
    busy, new = response.get_json()["workers"]
    assert busy.pop("started_at") == busy.pop("seen_at")
    assert busy == {
        "id": "host:7:ab",
        "models": ["vgg16"],
        "on_demand": ["rare", "new"],
        "loading": "new",
        "failed_loads": {"broken": "it is damaged"},
        "model_bytes": {"vgg16": 700_000_000},
        "device": "NVIDIA H200",
        "pinned_to": "gpu:1",
        "engine": "tensorflow 2.21.0",
        "max_batch": {"vgg16": 4},
        "version": "1.2.3",
        "jobs": 16,
        "images_per_s": {"vgg16": 812.5},
    }
    assert (new["device"], new["jobs"], new["images_per_s"]) == ("cpu", 0, {})
    assert (new["on_demand"], new["loading"], new["failed_loads"]) == ([], None, {})
    assert response.headers["Cache-Control"] == "no-store"
    as_json = json.loads(listed(settings, monkeypatch, "--json"))
    assert as_json == response.get_json()["workers"]
    on_demand = "new (loading), broken (failed: it is damaged), rare"
    row = listed(settings, monkeypatch).splitlines()[1]
    cells = (
        "host:7:ab",
        "vgg16",
        on_demand,
        "NVIDIA H200, gpu:1",
        "tensorflow 2.21.0",
        "vgg16 4",
        "vgg16 812",
        "16",
    )
    assert [cell for cell in cells if cell not in row] == []


def test_a_data_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    shown = CliRunner().invoke(
        app, ["workers", "--data", str(tmp_path / "none")], env={"COLUMNS": "250"}
    )
    assert shown.exit_code == 2
    assert "is not a folder" in " ".join(shown.output.split())


def pace(registry: WorkerRegistry) -> Mapping[str, float]:
    return registry.list_workers()[0].details.images_per_s


def test_a_running_worker_reports_what_it_is_and_does(
    valkey: RedisServer, tmp_path: Path, photos: Path
) -> None:
    with running_api(valkey, tmp_path, worker_cores="0", lease_s=0.6) as cluster:
        registry = open_ledger(cluster.settings).workers
        cluster.start_simulated_worker(batch_ms=1, image_ms=1)
        wait_until(lambda: len(registry.list_workers()) == 1, what="the worker registers")
        with Client(cluster.url) as client:
            explanation = client.explain(photos / "cat.jpg", timeout_s=60)
        assert explanation.result is not None
        assert explanation.result.model_digest == "simulated"
        wait_until(lambda: bool(pace(registry)), what="the worker reports its pace")
        (worker,) = registry.list_workers()
        assert (worker.models, worker.device) == ((MODEL,), "simulated")
        assert (worker.details.engine, worker.details.pinned_to) == ("simulated", "cpu (core 0)")
        assert worker.details.max_batch == {MODEL: cluster.settings.max_batch}
        assert worker.details.version
        assert 1 < worker.details.images_per_s[MODEL] < 500
