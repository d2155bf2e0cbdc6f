"""Reading, polling and cancelling an explanation; models and health."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from example_package import METHOD, install_example, packages_of
from http_api import MODEL, assert_problem, finish_next_job, submit_image
from seewhy.ids import new_job_id
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import lanes_of
from seewhy.schemas.methods import METHOD_INFO, METHODS
from seewhy.settings import Settings
from seewhy_api.app import create_api


def test_a_long_poll_returns_with_the_outcome(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    assert client.get(f"/v1/explanations/{job_id}?wait=0").get_json()["status"] == "queued"
    with ThreadPoolExecutor() as pool:
        poll = pool.submit(client.get, f"/v1/explanations/{job_id}?wait=30")
        finish_next_job(settings)
        assert poll.result(timeout=20).get_json()["status"] == "succeeded"


def test_a_queued_explanation_is_cancelled(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    assert client.post(f"/v1/explanations/{job_id}/cancel").get_json()["status"] == "cancelled"
    assert client.get(f"/v1/explanations/{job_id}").get_json()["links"]["cancel"] is None
    assert open_ledger(settings).claim(lanes_of(MODEL), owner="test", limit=1) == []


@pytest.mark.parametrize("job_id", ["nonsense", "a" * 5000, "0190b0a0-0000-4000-8000-000000000000"])
def test_an_unknown_explanation_is_not_found(client: FlaskClient, job_id: str) -> None:
    assert_problem(client.get(f"/v1/explanations/{job_id}"), 404, "unknown_explanation")
    assert_problem(client.post(f"/v1/explanations/{job_id}/cancel"), 404, "unknown_explanation")
    assert_problem(client.get(f"/v1/explanations/{job_id}/overlay"), 404, "unknown_explanation")


def test_an_explanation_past_its_retention_is_gone(client: FlaskClient, settings: Settings) -> None:
    created = datetime.now(UTC) - timedelta(seconds=settings.retention_s + 60)
    stamp = f"{int(created.timestamp() * 1000):012x}"
    job_id = f"{stamp[:8]}-{stamp[8:]}-7000-8000-000000000000"
    assert_problem(client.get(f"/v1/explanations/{job_id}"), 410, "explanation_gone")


def test_explanations_are_listed_by_their_ids_in_their_order(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    finished = submit_image(client, cat).get_json()["id"]
    finish_next_job(settings)
    queued = submit_image(client, cat, cache=False).get_json()["id"]
    unknown = new_job_id()
    ids = ",".join([queued, unknown, finished, queued])
    listed = client.get(f"/v1/explanations?ids={ids}").get_json()
    assert [(one["id"], one["status"]) for one in listed["explanations"]] == [
        (queued, "queued"),
        (finished, "succeeded"),
    ]
    assert listed["explanations"][1] == client.get(f"/v1/explanations/{finished}").get_json()
    assert [(one["id"], one["code"]) for one in listed["missing"]] == [
        (unknown, "unknown_explanation")
    ]


@pytest.mark.parametrize(
    "ids", ["", "nonsense", ",", ",".join(["0190b0a0-0000-7000-8000-000000000000"] * 101)]
)
def test_a_list_needs_1_to_100_ids(client: FlaskClient, ids: str) -> None:
    detail = assert_problem(client.get(f"/v1/explanations?ids={ids}"), 422, "invalid_request")
    assert "ids" in detail


def test_the_catalog_is_listed(client: FlaskClient) -> None:
    listed = client.get("/v1/models").get_json()
    assert listed["default"] == MODEL
    assert {entry["name"] for entry in listed["models"]} >= {"vgg16", MODEL}
    model = client.get(f"/v1/models/{MODEL}").get_json()
    assert model["classes"] == len(model["labels"]) == 1000
    assert model["labels"][281] == "tabby"
    assert all("labels" not in entry for entry in listed["models"])
    assert [method["name"] for method in model["methods"]] == list(METHODS)
    assert model["methods"][0] == {
        "name": "gradcam",
        "forward_passes": METHOD_INFO["gradcam"].forward_passes,
        "forward_passes_at_layer": 6,
        "further_passes": 0.1,
        "measured": [],
        "linear": True,
        "has_layer": True,
        "fuses": True,
        "paper": "arXiv:1610.02391",
    }
    costs = {method["name"]: method["forward_passes_at_layer"] for method in model["methods"]}
    assert (costs["ablationcam"], costs["smoothgrad"]) == (513, None)
    assert model["layers"][-1] == "top_relu"
    assert_problem(client.get("/v1/models/none"), 404, "unknown_model")


def test_health_checks_report_ok(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json()["checks"] == {"ledger": "ok", "store": "ok"}


def test_a_method_of_an_installed_package_is_listed_and_accepted(
    settings: Settings, cat: bytes, tmp_path: Path
) -> None:
    install_example(tmp_path / "site")
    with packages_of(tmp_path / "site"):
        client = create_api(settings).flask.test_client()
        (method,) = (
            method
            for method in client.get(f"/v1/models/{MODEL}").get_json()["methods"]
            if method["name"] == METHOD
        )
        assert (method["forward_passes"], method["fuses"]) == (1.0, True)
        assert method["paper"] == "https://github.com/jacobgil/pytorch-grad-cam"
        assert submit_image(client, cat, methods=["gradcam", METHOD]).status_code == 202
        document = client.get("/openapi.json").get_json()
    schema = document["components"]["schemas"]["ExplanationRequest"]
    assert METHOD in schema["properties"]["method"]["enum"]
