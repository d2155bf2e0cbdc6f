"""Full queues, tenants and shared outcomes as a client sees them, over a real Valkey."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from images import encoded, gradient
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import Claim, JobFailure, lanes_of
from seewhy.schemas.job import JobState
from seewhy.settings import Settings, load
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import create_api
from servers.valkey import RedisServer

MODEL = "efficientnet-lite0"


@pytest.fixture
def settings(valkey: RedisServer, tmp_path: Path) -> Settings:
    with valkey.client() as client:
        client.flushdb()
    return load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{tmp_path}/objects",
        default_model=MODEL,
        tenant_header="X-Tenant",
        queue_limit=5,
        tenant_queue_limit=3,
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    api = create_api(settings)
    api.event_feed.start()
    yield api.flask.test_client()
    api.event_feed.stop()


@pytest.fixture
def ledger(settings: Settings) -> RedisLedger:
    return open_ledger(settings)


def ask(
    client: FlaskClient, number: int = 0, *, tenant: str = "a", key: str | None = None, **asked: Any
) -> TestResponse:
    picture = encoded(gradient(40 + number, 24), "PNG")
    headers = {"X-Tenant": tenant} | ({"Idempotency-Key": key} if key else {})
    form = {"image": (io.BytesIO(picture), "a.png"), "request": json.dumps(asked)}
    return client.post("/v1/explanations", data=form, headers=headers)


def claim(ledger: RedisLedger) -> Claim:
    (taken,) = ledger.claim(lanes_of(MODEL), owner="a test", limit=1)
    return taken


def test_a_tenant_with_too_much_waiting_gets_429_and_when_to_come_back(client, settings):
    for number in range(3):
        assert ask(client, number).status_code == 202
    refused = ask(client, 3)
    assert (refused.status_code, refused.json["code"]) == (429, "tenant_queue_full")
    assert int(refused.headers["Retry-After"]) == 60, "nothing has ended in the last minute"
    assert ask(client, 3, tenant="b").status_code == 202
    assert ask(client, 4, priority="batch").status_code == 202, "another queue"
    manifests = list(open_store(settings).list_keys("jobs/"))
    assert len(manifests) == 5, "what was refused leaves nothing to be rebuilt"


def test_a_full_queue_refuses_everybody_until_a_job_ends(client, ledger):
    for number in range(5):
        assert ask(client, number, tenant="ab"[number % 2]).status_code == 202
    refused = ask(client, 5, tenant="c")
    assert (refused.status_code, refused.json["code"]) == (503, "queue_full")
    assert int(refused.headers["Retry-After"]) >= 1
    ledger.fail([JobFailure(claim(ledger), "broken_image", "x")])
    assert ask(client, 5, tenant="c").status_code == 202


def test_a_retry_of_what_was_accepted_is_answered_though_the_queue_is_full(client):
    first = ask(client, 0, key="k").json["id"]
    for number in range(1, 3):
        ask(client, number)
    refused = ask(client, 3, key="l")
    assert refused.status_code == 429
    assert ask(client, 0, key="k").json["id"] == first
    assert ask(client, 3, key="l").status_code == 429, "its key is not left busy"


def test_the_same_key_of_another_tenant_is_another_key(client):
    ids = {ask(client, tenant=tenant, key="k").json["id"] for tenant in "ab"}
    assert len(ids) == 2


def test_a_tenant_without_a_proper_name_is_refused(client):
    refused = ask(client, tenant="a b")
    assert (refused.status_code, refused.json["code"]) == (422, "invalid_request")


def test_one_computation_answers_all_who_ask_the_same_and_says_so(client, ledger):
    first = ask(client, metadata={"task": 1}).json
    second = ask(client, metadata={"task": 2}).json
    assert first["id"] != second["id"]
    assert (first["cached"], second["queue_position"]) == (False, 1), "its place is the first's"
    ledger.fail([JobFailure(claim(ledger), "explainer_failed", "It was a test.")])
    shown = client.get(f"/v1/explanations/{second['id']}").json
    assert (shown["status"], shown["cached"], shown["metadata"]) == ("failed", True, {"task": 2})
    assert shown["error"] == {"code": "explainer_failed", "detail": "It was a test."}
    assert not client.get(f"/v1/explanations/{first['id']}").json["cached"]


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
def test_what_could_have_another_outcome_is_computed_by_itself(client, ledger, other):
    ask(client)
    ask(client, **other)
    claimed = ledger.claim(lanes_of(MODEL), owner="a test", limit=5)
    assert len(claimed) == 2


def test_what_waits_for_another_is_cancelled_by_itself(client, ledger):
    first, second = ask(client).json["id"], ask(client).json["id"]
    assert client.post(f"/v1/explanations/{second}/cancel").json["status"] == "cancelled"
    assert ledger.read(first).state is JobState.QUEUED
    third = ask(client).json["id"]
    assert client.post(f"/v1/explanations/{first}/cancel").json["status"] == "cancelled"
    assert claim(ledger).job_id == third
