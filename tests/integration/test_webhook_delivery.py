"""Webhooks delivered by real processes and verified by a receiver."""

import json
import re
import signal
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator
from standardwebhooks import Webhook

from batch_requests import item, ndjson
from seewhy.client import Client, Explanation
from seewhy.embedded.tcp_ports import free_port
from seewhy.settings import load
from seewhy.webhook_secrets import generate_secret
from servers.process_cluster import ProcessCluster, start_cluster
from servers.receivers import NO_CONTENT, answer, in_turn, receiving
from servers.valkey import RedisServer
from servers.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
SECRET = generate_secret()
SERVER_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def cluster(valkey: RedisServer, tmp_path: Path) -> Iterator[ProcessCluster]:
    """An API, a stub worker and a dispatcher."""
    with valkey.client() as client:
        client.flushdb()
    settings = load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{tmp_path}/objects",
        default_model="efficientnet-lite0",
        api_port=free_port(),
        sweep_interval_s=0.5,
        webhook_secrets=f"{generate_secret()},{SECRET}",
        webhook_allowed_networks=(ip_network("127.0.0.0/8"),),
    )
    with start_cluster(settings, tmp_path) as cluster:
        cluster.start_stub_worker()
        cluster.start_dispatcher()
        cluster.start_api()
        yield cluster


def wait_for_webhook(client: Client, job_id: str, status: str) -> Explanation:
    def reached() -> bool:
        webhook = client.get(job_id).webhook
        return webhook is not None and webhook.status == status

    wait_until(reached, what=f"the webhook is {status}")
    return client.get(job_id)


def document_of(cluster: ProcessCluster) -> Any:
    return httpx2.get(f"{cluster.url}/openapi.json").raise_for_status().json()


def mistakes_in(payload: Any, document: Any, webhook: str) -> list[str]:
    """Return how a message differs from the OpenAPI document, in which no field is optional."""
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    body = document["webhooks"][webhook]["post"]["requestBody"]["content"]["application/json"]
    validator = Draft202012Validator({"components": document["components"]} | body["schema"])
    return [mistake.message for mistake in validator.iter_errors(payload)]


def shape(value: Any) -> Any:
    """Return the field names and types of a payload, without its values."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return type(value).__name__


def test_a_delivery_matches_the_documentation_and_verifies(
    cluster: ProcessCluster, photos: Path
) -> None:
    with receiving(answer(NO_CONTENT)) as receiver, Client(cluster.url) as client:
        url = f"http://127.0.0.1:{receiver.port}/seewhy?a=b"
        ticket = client.submit(photos / "cat.jpg", webhook=url, metadata={"task": 7})
        explanation = wait_for_webhook(client, ticket.id, "delivered")
        (message,) = receiver.messages
    assert explanation.webhook is not None
    assert explanation.webhook.model_dump() == {
        "url": url,
        "status": "delivered",
        "attempts": 1,
        "detail": "The receiver answered 204.",
    }
    assert message.path == "/seewhy?a=b"
    assert message.headers["webhook-id"] == f"msg_{ticket.id}"
    assert message.headers["content-type"] == "application/json"
    payload = Webhook(SECRET).verify(message.body, dict(message.headers))
    (example, *_) = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert shape(payload) == shape(json.loads(example))
    assert (payload["type"], payload["data"]["id"]) == ("explanation.succeeded", ticket.id)
    assert payload["data"]["metadata"] == {"task": 7}
    assert explanation.finished_at is not None
    assert datetime.fromisoformat(payload["timestamp"]) == explanation.finished_at
    assert payload["data"]["links"]["self"] == f"/v1/explanations/{ticket.id}"
    assert mistakes_in(payload, document_of(cluster), "explanation_ended") == []


def test_the_message_of_a_batch_is_delivered_as_the_openapi_document_says(
    cluster: ProcessCluster, cat: bytes
) -> None:
    with receiving(answer(NO_CONTENT)) as receiver:
        request = json.dumps({"webhook": f"http://127.0.0.1:{receiver.port}/"})
        response = httpx2.post(
            f"{cluster.url}/v1/batches",
            params={"request": request},
            headers={"Content-Type": "application/x-ndjson"},
            content=ndjson([item(cat), "bad"]),
        )
        assert response.status_code == 202, response.text
        wait_until(lambda: bool(receiver.messages), what="the batch has ended", limit_s=60)
        (message,) = receiver.messages
    payload = Webhook(SECRET).verify(message.body, dict(message.headers))
    assert (payload["type"], payload["data"]["id"]) == ("batch.finished", response.json()["id"])
    document = document_of(cluster)
    assert mistakes_in(payload, document, "batch_ended") == []
    assert mistakes_in(payload, document, "explanation_ended") != [], "the document can refuse"
    del payload["data"]["counts"]["refused"]
    assert mistakes_in(payload, document, "batch_ended") != []


def test_a_failed_delivery_is_retried_on_schedule_and_redelivered_on_request(
    cluster: ProcessCluster, photos: Path
) -> None:
    behavior = in_turn(answer(SERVER_ERROR), answer(NO_CONTENT))
    with receiving(behavior) as receiver, Client(cluster.url) as client:
        url = f"http://127.0.0.1:{receiver.port}/"
        ticket = client.submit(photos / "cat.jpg", webhook=url)
        explanation = wait_for_webhook(client, ticket.id, "delivered")
        assert explanation.webhook is not None
        assert explanation.webhook.attempts == 2
        httpx2.post(f"{cluster.url}/v1/explanations/{ticket.id}/redeliver").raise_for_status()
        wait_until(lambda: len(receiver.messages) == 3, what="it is redelivered")
        first, second, third = receiver.messages
    assert {m.body for m in (first, second, third)} == {first.body}
    assert {m.headers["webhook-id"] for m in (first, second, third)} == {f"msg_{ticket.id}"}
    assert second.at - first.at >= 5, "the first retry delay"
    for message in (first, second, third):
        Webhook(SECRET).verify(message.body, dict(message.headers))


def test_a_dispatcher_exits_cleanly_on_sigterm(cluster: ProcessCluster) -> None:
    dispatcher = cluster.processes[1]
    wait_until(
        lambda: "ready." in cluster.read_log("dispatcher"), what="the dispatcher consumes wakeups"
    )
    dispatcher.send_signal(signal.SIGTERM)
    assert dispatcher.wait(timeout=30) == 0


def test_a_dispatcher_without_a_secret_exits_with_an_error(
    valkey: RedisServer, tmp_path: Path
) -> None:
    settings = load({}, redis_url=valkey.url, store_url=f"file://{tmp_path}/objects")
    with start_cluster(settings, tmp_path) as cluster:
        assert cluster.start_dispatcher().wait(timeout=60) == 1
        assert "SEEWHY_WEBHOOK_SECRETS is not set" in cluster.read_log("dispatcher")
