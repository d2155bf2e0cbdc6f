"""Requests for models that no worker serves."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from http_api import MODEL, assert_problem, stored_keys, submit_image
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import Settings
from seewhy_api.app import create_api
from servers.waiting import wait_until


def submitted(client: FlaskClient, cat: bytes) -> tuple[dict[str, Any], list[dict[str, str]]]:
    body = submit_image(client, cat).get_json()
    return body["workers"], body["warnings"]


def test_a_job_without_workers_is_accepted_and_says_so_at_every_poll(
    client: FlaskClient, cat: bytes
) -> None:
    response = submit_image(client, cat)
    assert response.status_code == 202
    for body in (response.get_json(), client.get(response.headers["Location"]).get_json()):
        assert body["workers"] == {"count": 0, "last_seen_at": None}
        (warning,) = body["warnings"]
        assert warning["code"] == "model_not_served"
        assert warning["detail"] == (
            f"No worker serves the model {MODEL}; the job waits for one. None has been seen yet."
        )


def test_a_served_model_has_workers_and_no_warning(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    open_ledger(settings).workers.register("w", models=[MODEL])
    workers, warnings = submitted(client, cat)
    assert (workers["count"], warnings) == (1, [])
    assert workers["last_seen_at"].endswith("Z")


def test_a_model_on_demand_is_served(client: FlaskClient, settings: Settings, cat: bytes) -> None:
    open_ledger(settings).workers.register("w", models=[], on_demand=[MODEL])
    workers, warnings = submitted(client, cat)
    assert (workers["count"], warnings) == (1, [])


def test_the_last_worker_is_remembered(client: FlaskClient, settings: Settings, cat: bytes) -> None:
    registry = open_ledger(settings).workers
    registry.register("w", models=[MODEL])
    registry.unregister("w")
    workers, (warning,) = submitted(client, cat)
    assert workers["count"] == 0
    assert warning["detail"].endswith(f"The last one was seen at {workers['last_seen_at']}.")


def test_a_finished_job_waits_for_no_worker(client: FlaskClient, cat: bytes) -> None:
    path = submit_image(client, cat).headers["Location"]
    client.post(f"{path}/cancel")
    body = client.get(path).get_json()
    assert (body["workers"], body["warnings"]) == (None, [])


def strict_client(settings: Settings) -> FlaskClient:
    """Return a client of an API that refuses models without workers."""
    changes = {"refuse_unserved_after_s": 0}
    return create_api(settings.model_copy(update=changes)).flask.test_client()


def test_an_unknown_model_is_no_reason_to_retry(settings: Settings, cat: bytes) -> None:
    response = submit_image(strict_client(settings), cat, model="unknown")
    assert_problem(response, 422, "unknown_model")


def test_a_job_that_was_accepted_is_returned_though_its_workers_have_left(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    headers = {"Idempotency-Key": "k"}
    job_id = submit_image(client, cat, headers=headers).get_json()["id"]
    strict = strict_client(settings)
    assert submit_image(strict, cat, headers=headers).get_json()["id"] == job_id
    refused = submit_image(strict, cat, headers={"Idempotency-Key": "another"})
    assert_problem(refused, 503, "model_not_served")
    accepted = submit_image(client, cat, headers={"Idempotency-Key": "another"})
    assert accepted.status_code == 202, "the refusal frees the key"


@pytest.mark.parametrize("has_been_seen", [False, True])
def test_a_model_that_was_not_seen_for_too_long_is_refused_where_the_operator_wants_it(
    settings: Settings, cat: bytes, has_been_seen: bool
) -> None:
    registry = open_ledger(settings).workers
    client = strict_client(settings)
    if has_been_seen:
        registry.register("w", models=[MODEL])
        registry.unregister("w")
    response = submit_image(client, cat)
    assert MODEL in assert_problem(response, 503, "model_not_served")
    assert response.headers["Retry-After"] == "2"
    assert stored_keys(settings) == []
    registry.register("w", models=[MODEL])
    wait_until(
        lambda: submit_image(client, cat).status_code == 202, what="the process sees the worker"
    )
