"""Queue limits, tenants and coalescing over HTTP."""

import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from http_api import MODEL
from images import encoded, gradient
from ledger_harness import read_job
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import Claim, JobFailure, lanes_of
from seewhy.schemas.job import JobState
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    limits = {"queue_limit": 5, "tenant_queue_limit": 3, "tenant_record_limit": 10}
    return {"tenant_header": "X-Tenant", "trusted_proxies": "127.0.0.1", **limits}


@pytest.fixture
def client(client: FlaskClient) -> FlaskClient:
    """A client behind a gateway that names tenant `a` unless a test names another."""
    client.environ_base["HTTP_X_TENANT"] = "a"
    return client


@pytest.fixture
def ledger(settings: Settings) -> RedisLedger:
    return open_ledger(settings)


def submit(
    client: FlaskClient,
    number: int = 0,
    *,
    tenant: str = "a",
    key: str | None = None,
    **fields: Any,
) -> TestResponse:
    image = encoded(gradient(40 + number, 24), "PNG")
    headers = {"X-Tenant": tenant} | ({"Idempotency-Key": key} if key else {})
    form = {"image": (io.BytesIO(image), "a.png"), "request": json.dumps(fields)}
    return client.post("/v1/explanations", data=form, headers=headers)


def claim(ledger: RedisLedger) -> Claim:
    (claimed,) = ledger.claim(lanes_of(MODEL), owner="test", limit=1)
    return claimed


def test_a_tenant_at_its_limit_gets_429_with_retry_after(
    client: FlaskClient, settings: Settings
) -> None:
    for number in range(3):
        assert submit(client, number).status_code == 202
    response = submit(client, 3)
    assert (response.status_code, response.get_json()["code"]) == (429, "tenant_queue_full")
    assert int(response.headers["Retry-After"]) == 60, "no job finished in the last minute"
    assert submit(client, 3, tenant="b").status_code == 202
    assert submit(client, 4, priority="batch").status_code == 202, "another queue"
    manifests = list(open_store(settings).list_keys("jobs/"))
    assert len(manifests) == 5, "a refused submission leaves no manifest"


def test_submitting_and_cancelling_in_a_loop_gets_429(client: FlaskClient) -> None:
    for number in range(10):
        job_id = submit(client, number).get_json()["id"]
        assert client.post(f"/v1/explanations/{job_id}/cancel").get_json()["status"] == "cancelled"
    response = submit(client, 10)
    assert (response.status_code, response.get_json()["code"]) == (429, "tenant_records_full")
    assert int(response.headers["Retry-After"]) == 3600
    assert submit(client, 10, tenant="b").status_code == 202


def test_a_full_queue_refuses_every_tenant_until_a_job_finishes(
    client: FlaskClient, ledger: RedisLedger
) -> None:
    for number in range(5):
        assert submit(client, number, tenant="ab"[number % 2]).status_code == 202
    response = submit(client, 5, tenant="c")
    assert (response.status_code, response.get_json()["code"]) == (503, "queue_full")
    assert int(response.headers["Retry-After"]) >= 1
    ledger.fail([JobFailure(claim(ledger), "broken_image", "x")])
    assert submit(client, 5, tenant="c").status_code == 202


def test_a_retry_with_its_idempotency_key_succeeds_even_if_the_queue_is_full(
    client: FlaskClient,
) -> None:
    first = submit(client, 0, key="k").get_json()["id"]
    for number in range(1, 3):
        submit(client, number)
    response = submit(client, 3, key="l")
    assert response.status_code == 429
    assert submit(client, 0, key="k").get_json()["id"] == first
    assert submit(client, 3, key="l").status_code == 429, "the key is not busy"


def test_idempotency_keys_belong_to_one_tenant(client: FlaskClient) -> None:
    ids = {submit(client, tenant=tenant, key="k").get_json()["id"] for tenant in "ab"}
    assert len(ids) == 2


def test_an_invalid_tenant_name_is_refused(client: FlaskClient) -> None:
    response = submit(client, tenant="a b")
    assert (response.status_code, response.get_json()["code"]) == (422, "invalid_request")


def test_duplicates_share_one_outcome_and_are_marked_as_cached(
    client: FlaskClient, ledger: RedisLedger
) -> None:
    first = submit(client, metadata={"task": 1}).get_json()
    second = submit(client, metadata={"task": 2}).get_json()
    assert first["id"] != second["id"]
    assert (first["cached"], second["queue_position"]) == (False, 1), (
        "a duplicate has the position of its original"
    )
    ledger.fail([JobFailure(claim(ledger), "explainer_failed", "It was a test.")])
    explanation = client.get(f"/v1/explanations/{second['id']}").get_json()
    assert (explanation["status"], explanation["cached"], explanation["metadata"]) == (
        "failed",
        True,
        {"task": 2},
    )
    assert explanation["error"] == {"code": "explainer_failed", "detail": "It was a test."}
    assert not client.get(f"/v1/explanations/{first['id']}").get_json()["cached"]


@pytest.mark.parametrize(
    "other",
    [
        {"cache": False},
        {"targets": "top:2"},
        {"method": "layercam"},
        {"outputs": []},
        {"normalize": "none"},
        {"tenant": "b"},
        {"number": 1},
    ],
    ids=str,
)
def test_a_request_with_another_outcome_is_not_coalesced(
    client: FlaskClient, ledger: RedisLedger, other: dict[str, Any]
) -> None:
    submit(client)
    submit(client, **other)
    claimed = ledger.claim(lanes_of(MODEL), owner="test", limit=5)
    assert len(claimed) == 2


def test_a_duplicate_is_cancelled_alone_and_can_replace_its_original(
    client: FlaskClient, ledger: RedisLedger
) -> None:
    first, second = submit(client).get_json()["id"], submit(client).get_json()["id"]
    assert client.post(f"/v1/explanations/{second}/cancel").get_json()["status"] == "cancelled"
    assert read_job(ledger, first).state is JobState.QUEUED
    third = submit(client).get_json()["id"]
    assert client.post(f"/v1/explanations/{first}/cancel").get_json()["status"] == "cancelled"
    assert claim(ledger).job_id == third
