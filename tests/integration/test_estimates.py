"""When explanations and batches will have finished, and what methods take, as clients see it."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from batch_requests import accepted_batch, item
from http_api import MODEL, submit_image
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import Measurement, lanes_of
from seewhy.settings import Settings
from seewhy_api.app import Api


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"cache_ttl_s": 0}


@pytest.fixture
def worker(settings: Settings) -> None:
    """A worker that takes two seconds for a pass."""
    measured = [
        Measurement(MODEL, "gradcam", (2_000.0,) * 3),
        Measurement(MODEL, "integrated-gradients", (96_000.0,)),
    ]
    registry = open_ledger(settings).workers
    registry.register("w", models=[MODEL], device="cpu", measurements=measured)


def read(client: FlaskClient, path: str) -> Any:
    return client.get(path).get_json()


def test_without_a_worker_nothing_is_known(api: Api, client: FlaskClient, cat: bytes) -> None:
    assert submit_image(client, cat).get_json()["eta_s"] is None
    batch = accepted_batch(api, client, [item(cat, targets=[7])])
    assert read(client, f"/v1/batches/{batch}")["eta_s"] is None


@pytest.mark.usefixtures("worker")
def test_a_job_waits_for_those_before_it_and_then_runs(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    paths = [submit_image(client, cat, targets=[index]).headers["Location"] for index in range(20)]
    first, last = (read(client, path)["eta_s"] for path in (paths[0], paths[-1]))
    assert first["p50"] == pytest.approx(2 + 3.5 * 2, abs=0.5), "it shares a batch of eight"
    assert last["p50"] == pytest.approx(20 * 2, abs=0.5)
    assert last["p50"] < last["p90"] < 2 * last["p50"]
    open_ledger(settings).claim(lanes_of(MODEL), owner="w", limit=8)
    running = read(client, paths[0])
    assert (running["status"], running["queue_position"]) == ("running", None)
    assert running["eta_s"]["p50"] == pytest.approx(8 * 2, abs=0.5)


@pytest.mark.usefixtures("worker")
def test_a_method_counts_with_what_workers_measured(client: FlaskClient, cat: bytes) -> None:
    response = submit_image(client, cat, method="integrated-gradients")
    assert response.get_json()["eta_s"]["p50"] == pytest.approx(96, abs=0.5)


@pytest.mark.usefixtures("worker")
def test_a_batch_ends_with_its_last_job(api: Api, client: FlaskClient, cat: bytes) -> None:
    items = [item(cat, targets=[index]) for index in range(10)]
    batch = accepted_batch(api, client, items)
    assert read(client, f"/v1/batches/{batch}")["eta_s"]["p50"] == pytest.approx(20, abs=0.5)
    long = item(cat, method="integrated-gradients", targets=[0])
    mixed = accepted_batch(api, client, [long, *items])
    shared = read(client, f"/v1/batches/{mixed}")["eta_s"]["p50"]
    assert shared == pytest.approx(96 + 20, abs=0.5), "the long job gives way to the ten others"


@pytest.mark.usefixtures("worker")
def test_the_catalog_has_the_seconds_of_each_method(client: FlaskClient) -> None:
    methods = {m["name"]: m for m in read(client, f"/v1/models/{MODEL}")["methods"]}
    assert methods["gradcam"]["measured"] == [
        {"device": "cpu", "images": 3, "p50_s": 2.0, "p90_s": 2.0, "further_p50_s": 0.2}
    ]
    assert methods["integrated-gradients"]["measured"][0]["further_p50_s"] == 95.0
    assert methods["gradcam"]["further_passes"] == 0.1
    assert methods["layercam"]["measured"] == []
