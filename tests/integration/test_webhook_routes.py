"""Webhooks over HTTP; neither a worker nor a dispatcher runs."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from http_api import assert_problem, submit_image
from seewhy.client import Explanation
from seewhy.ids import new_job_id
from seewhy.jobs.manifest import Manifest
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import DISPATCHER_QUEUE, Attempt, DeliveryResult
from seewhy.settings import Settings
from seewhy.storage.keys import manifest_key
from seewhy.storage.obstore_adapter import open_store
from seewhy.webhook_secrets import generate_secret
from seewhy_api.app import create_api
from servers.valkey import RedisServer

URL = "https://hooks.test/seewhy?team=labels"


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"webhook_secrets": generate_secret()}


def refuse_next(settings: Settings) -> None:
    """Report the next delivery as refused, as a dispatcher would after a 410."""
    outbox = open_ledger(settings).outbox
    lease = outbox.lease_origin(limit=10)
    assert lease is not None
    outbox.report(
        lease,
        [
            Attempt(n, DeliveryResult.REFUSED, "The receiver answered 410.")
            for n in lease.deliveries
        ],
    )


def test_without_a_secret_a_webhook_is_refused_and_nothing_is_accepted(
    settings: Settings, cat: bytes
) -> None:
    api = create_api(settings.model_copy(update={"webhook_secrets": None}))
    client = api.flask.test_client()
    detail = assert_problem(submit_image(client, cat, webhook=URL), 422, "invalid_request")
    assert "webhooks" in detail.lower()
    assert open_ledger(settings).counts().accepted == 0
    assert submit_image(client, cat).status_code == 202


@pytest.mark.parametrize(
    ("url", "reason"),
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
def test_an_invalid_webhook_url_is_refused_with_a_reason(
    client: FlaskClient, cat: bytes, url: object, reason: str
) -> None:
    detail = assert_problem(submit_image(client, cat, webhook=url), 422, "invalid_request")
    assert "webhook" in detail
    assert reason in detail
    assert "secret@" not in detail


def test_an_explanation_shows_the_state_of_its_webhook(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    explanation = submit_image(
        client, cat, webhook="HTTPS://Hooks.test/seewhy?team=labels"
    ).get_json()
    url = "https://hooks.test:443/seewhy?team=labels"
    waiting = {"url": url, "status": "waiting", "attempts": 0, "detail": None}
    assert explanation["webhook"] == waiting
    webhook = Explanation.model_validate(explanation).webhook
    assert webhook is not None
    assert (webhook.url, webhook.status) == (url, "waiting")
    manifest = open_store(settings).get(manifest_key(explanation["id"]))
    assert Manifest.model_validate_json(manifest).submission.webhook_url == url

    client.post(explanation["links"]["cancel"])
    assert client.get(explanation["links"]["self"]).get_json()["webhook"] == waiting | {
        "status": "pending"
    }
    refuse_next(settings)
    shown = client.get(explanation["links"]["self"]).get_json()["webhook"]
    assert shown == waiting | {
        "status": "refused",
        "attempts": 1,
        "detail": "The receiver answered 410.",
    }


def test_an_explanation_without_a_webhook_shows_null(client: FlaskClient, cat: bytes) -> None:
    assert submit_image(client, cat).get_json()["webhook"] is None


def test_the_webhook_of_an_unfinished_explanation_cannot_be_redelivered(
    client: FlaskClient, cat: bytes
) -> None:
    explanation = submit_image(client, cat, webhook=URL).get_json()
    response = client.post(f"{explanation['links']['self']}/redeliver")
    assert "queued" in assert_problem(response, 409, "result_not_ready")


def test_an_explanation_without_a_webhook_cannot_be_redelivered(
    client: FlaskClient, cat: bytes
) -> None:
    explanation = submit_image(client, cat).get_json()
    client.post(explanation["links"]["cancel"])
    response = client.post(f"{explanation['links']['self']}/redeliver")
    assert "has no webhook" in assert_problem(response, 422, "invalid_request")


def test_an_unknown_explanation_cannot_be_redelivered(client: FlaskClient) -> None:
    response = client.post(f"/v1/explanations/{new_job_id()}/redeliver")
    assert_problem(response, 404, "unknown_explanation")


def test_redelivery_starts_from_the_first_attempt_and_wakes_a_dispatcher(
    client: FlaskClient, settings: Settings, cat: bytes, valkey: RedisServer
) -> None:
    explanation = submit_image(client, cat, webhook=URL).get_json()
    client.post(explanation["links"]["cancel"])
    refuse_next(settings)
    with valkey.client() as redis:
        wakeups = redis.llen(DISPATCHER_QUEUE)
        response = client.post(f"{explanation['links']['self']}/redeliver")
        assert redis.llen(DISPATCHER_QUEUE) == wakeups + 1
    redelivered = response.get_json()
    assert (response.status_code, redelivered["status"]) == (200, "cancelled")
    webhook = redelivered["webhook"]
    assert (webhook["status"], webhook["attempts"], webhook["detail"]) == ("pending", 0, None)
    again = client.post(f"{explanation['links']['self']}/redeliver")
    assert_problem(again, 429, "too_many_redeliveries")
    assert 55 <= int(again.headers["Retry-After"]) <= 60
    lease = open_ledger(settings).outbox.lease_origin(limit=10)
    assert lease is not None
    assert [(n.subject_id, n.attempt) for n in lease.deliveries] == [(explanation["id"], 1)]


def test_a_cancellation_wakes_a_dispatcher(
    client: FlaskClient, cat: bytes, valkey: RedisServer
) -> None:
    path = submit_image(client, cat, webhook=URL).get_json()["links"]["self"]
    with valkey.client() as redis:
        assert redis.llen(DISPATCHER_QUEUE) == 0
        assert client.post(f"{path}/cancel").get_json()["webhook"]["status"] == "pending"
        assert redis.llen(DISPATCHER_QUEUE) == 1
