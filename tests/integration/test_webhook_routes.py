"""Webhooks as the API takes, shows and repeats them; no worker and no courier are running."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from seewhy.client import Explanation
from seewhy.ids import new_job_id
from seewhy.jobs.manifest import Manifest
from seewhy.ledger.ports.outbox import Attempt, DeliveryResult
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import DISPATCHER_QUEUE
from seewhy.schemas.webhook_secrets import generate_secret
from seewhy.settings import Settings, load
from seewhy.storage.keys import manifest_key
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import create_api
from servers.valkey import RedisServer

URL = "https://hooks.test/seewhy?team=labels"


@pytest.fixture
def settings(valkey: RedisServer, tmp_path: Path) -> Settings:
    with valkey.client() as client:
        client.flushdb()
    return load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{tmp_path}/objects",
        default_model="efficientnet-lite0",
        webhook_secrets=generate_secret(),
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    api = create_api(settings)
    api.event_feed.start()
    yield api.flask.test_client()
    api.event_feed.stop()


@pytest.fixture
def cat(photos: Path) -> bytes:
    return (photos / "cat.jpg").read_bytes()


def post(client: FlaskClient, picture: bytes, **asked: Any) -> TestResponse:
    form = {"image": (io.BytesIO(picture), "a.jpg"), "request": json.dumps(asked)}
    return client.post("/v1/explanations", data=form)


def refused(answer: TestResponse, status: int, code: str) -> str:
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.json
    return str(answer.json["detail"])


def give_up(settings: Settings) -> None:
    """Do what a courier does whose receiver wants nothing more."""
    outbox = open_ledger(settings).outbox
    turn = outbox.lease_origin(limit=10)
    assert turn is not None
    outbox.report(turn, [Attempt(n, DeliveryResult.REFUSED, "answered 410") for n in turn.notices])


def test_where_no_secret_is_set_a_webhook_is_refused_and_nothing_is_promised(
    settings: Settings, cat: bytes
) -> None:
    without = create_api(settings.model_copy(update={"webhook_secrets": None}))
    client = without.flask.test_client()
    detail = refused(post(client, cat, webhook=URL), 422, "invalid_request")
    assert detail == "webhooks are off here: their operator has set no secret to sign"
    assert open_ledger(settings).counts().accepted == 0
    assert post(client, cat).status_code == 202


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://hooks.test/", "does not have the form https://host/path"),
        ("hooks.test/x", "does not have the form https://host/path"),
        ("https://", "no valid host"),
        ("https://me:secret@hooks.test/", "holds credentials"),
        ("https://hooks.test/#part", "has a fragment"),
        ("https://käfer.test/", "xn--"),
        ("https://hooks.test:99999/", "a port outside 1 to 65535"),
        ("https://[::1/", "not a valid IPv6 address"),
        ("https://hooks.test/" + "x" * 2_100, "more than 2,048 characters"),
        (7, "string"),
    ],
)
def test_a_url_that_no_webhook_goes_to_is_refused_with_the_reason(
    client: FlaskClient, cat: bytes, url: object, why: str
) -> None:
    detail = refused(post(client, cat, webhook=url), 422, "invalid_request")
    assert "webhook" in detail
    assert why in detail
    assert "secret@" not in detail


def test_an_explanation_shows_its_webhook_and_how_its_telling_goes(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    asked = post(client, cat, webhook="HTTPS://Hooks.test/seewhy?team=labels").json
    url = "https://hooks.test:443/seewhy?team=labels"
    waiting = {"url": url, "status": "waiting", "attempts": 0, "detail": None}
    assert asked["webhook"] == waiting
    told = Explanation.model_validate(asked).webhook
    assert told is not None
    assert (told.url, told.status) == (url, "waiting")
    manifest = open_store(settings).get(manifest_key(asked["id"]))
    assert Manifest.model_validate_json(manifest).webhook == url

    client.post(asked["links"]["cancel"])
    assert client.get(asked["links"]["self"]).json["webhook"] == waiting | {"status": "pending"}
    give_up(settings)
    shown = client.get(asked["links"]["self"]).json["webhook"]
    assert shown == waiting | {"status": "refused", "attempts": 1, "detail": "answered 410"}


def test_an_explanation_without_a_webhook_shows_none(client: FlaskClient, cat: bytes) -> None:
    assert post(client, cat).json["webhook"] is None


def test_what_has_not_ended_cannot_be_told_again(client: FlaskClient, cat: bytes) -> None:
    asked = post(client, cat, webhook=URL).json
    again = client.post(f"{asked['links']['self']}/redeliver")
    assert "queued" in refused(again, 409, "result_not_ready")


def test_what_nobody_asked_to_be_told_of_is_not_told_again(client: FlaskClient, cat: bytes) -> None:
    asked = post(client, cat).json
    client.post(asked["links"]["cancel"])
    again = client.post(f"{asked['links']['self']}/redeliver")
    assert "has no webhook" in refused(again, 422, "invalid_request")


def test_an_unknown_explanation_is_not_told_again(client: FlaskClient) -> None:
    again = client.post(f"/v1/explanations/{new_job_id()}/redeliver")
    refused(again, 404, "unknown_explanation")


def test_an_outcome_told_again_is_due_now_from_the_first_attempt_and_couriers_are_rung(
    client: FlaskClient, settings: Settings, cat: bytes, valkey: RedisServer
) -> None:
    asked = post(client, cat, webhook=URL).json
    client.post(asked["links"]["cancel"])
    give_up(settings)
    with valkey.client() as redis:
        rung = redis.llen(DISPATCHER_QUEUE)
        again = client.post(f"{asked['links']['self']}/redeliver")
        assert redis.llen(DISPATCHER_QUEUE) == rung + 1
    assert (again.status_code, again.json["status"]) == (200, "cancelled")
    assert again.json["webhook"]["status"] == "pending"
    assert (again.json["webhook"]["attempts"], again.json["webhook"]["detail"]) == (0, None)
    turn = open_ledger(settings).outbox.lease_origin(limit=10)
    assert turn is not None
    assert [(n.record.job_id, n.attempt) for n in turn.notices] == [(asked["id"], 1)]


def test_a_cancellation_is_told_at_once(
    client: FlaskClient, cat: bytes, valkey: RedisServer
) -> None:
    here = post(client, cat, webhook=URL).json["links"]["self"]
    with valkey.client() as redis:
        assert redis.llen(DISPATCHER_QUEUE) == 0
        assert client.post(f"{here}/cancel").json["webhook"]["status"] == "pending"
        assert redis.llen(DISPATCHER_QUEUE) == 1
