"""Dead letters over HTTP: listed, retried and dismissed, each tenant its own."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from http_api import MODEL, assert_problem, fail_next_job, submit_image
from ledger_harness import read_job
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.ids import new_job_id
from seewhy.jobs.manifest import Manifest
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.schemas.job import JobState
from seewhy.settings import Settings
from seewhy.storage.keys import manifest_key
from seewhy.storage.obstore_adapter import open_store

PATH = "/v1/dead-letters"


def failed(client: FlaskClient, settings: Settings, cat: bytes, **headers: str) -> str:
    submitted = submit_image(client, cat, cache=False, headers=headers)
    assert submitted.status_code == 202, submitted.get_json()
    job_id = fail_next_job(settings)
    assert job_id == submitted.get_json()["id"]
    return job_id


def listed(client: FlaskClient, query: str = "", **headers: str) -> list[dict[str, Any]]:
    response = client.get(f"{PATH}{query}", headers=headers)
    assert response.status_code == 200, response.get_json()
    assert response.headers["Cache-Control"] == "no-store"
    letters: list[dict[str, Any]] = response.get_json()["dead_letters"]
    return letters


def key_of(settings: Settings, tenant: str, *scopes: Scope) -> dict[str, str]:
    key, _ = KeyStore(open_store(settings)).create(tenant=tenant, scopes=scopes or tuple(Scope))
    return {"Authorization": f"Bearer {key.text}"}


def test_a_failed_job_is_listed_with_what_went_wrong(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    assert listed(client) == []
    job_id = failed(client, settings, cat)
    (letter,) = listed(client)
    assert letter.pop("submitted_at") <= letter.pop("failed_at")
    assert letter == {
        "id": job_id,
        "model": MODEL,
        "priority": "interactive",
        "attempts": 1,
        "code": "explainer_failed",
        "detail": "It was a test.",
    }


def test_a_retry_is_a_new_job_and_takes_the_failed_one_off_the_list(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    job_id = failed(client, settings, cat)
    response = client.post(f"{PATH}/{job_id}/retry")
    assert response.status_code == 202
    new_id = response.get_json()["id"]
    assert response.get_json() == {"id": new_id, "retry_of": job_id}
    assert response.headers["Location"] == f"/v1/explanations/{new_id}"
    ledger, store = open_ledger(settings), open_store(settings)
    assert Manifest.model_validate_json(store.get(manifest_key(new_id))).retry_of == job_id
    assert read_job(ledger, new_id).state is JobState.QUEUED
    assert read_job(ledger, job_id).state is JobState.FAILED
    assert listed(client) == []
    detail = assert_problem(client.post(f"{PATH}/{job_id}/retry"), 422, "invalid_request")
    assert "retried or dismissed already" in detail


def test_a_dismissed_job_stays_failed_and_leaves_the_list(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    job_ids = [failed(client, settings, cat) for _ in range(2)]
    for is_first in (True, False):
        dismissed = client.post(f"{PATH}/{job_ids[0]}/dismiss").get_json()
        assert dismissed == {"id": job_ids[0], "dismissed": is_first}
    assert [letter["id"] for letter in listed(client)] == job_ids[1:]
    assert client.get(f"/v1/explanations/{job_ids[0]}").get_json()["status"] == "failed"


def test_the_oldest_dead_letters_are_listed_first_up_to_a_limit(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    job_ids = [failed(client, settings, cat) for _ in range(3)]
    assert [letter["id"] for letter in listed(client, "?limit=2")] == job_ids[:2]
    for limit in ("0", "1001", "x"):
        assert_problem(client.get(f"{PATH}?limit={limit}"), 422, "invalid_request")


@pytest.mark.parametrize("decision", ["retry", "dismiss"])
def test_a_tenant_sees_and_decides_about_its_own_dead_letters_only(
    client: FlaskClient, settings: Settings, cat: bytes, decision: str
) -> None:
    own, other = key_of(settings, "a"), key_of(settings, "b")
    job_id = failed(client, settings, cat, **own)
    assert listed(client, **other) == []
    refused = client.post(f"{PATH}/{job_id}/{decision}", headers=other)
    assert_problem(refused, 404, "unknown_explanation")
    assert [letter["id"] for letter in listed(client, **own)] == [job_id]


@pytest.mark.parametrize("decision", ["retry", "dismiss"])
def test_only_an_administrator_decides(
    client: FlaskClient, settings: Settings, cat: bytes, decision: str
) -> None:
    key = key_of(settings, "a", Scope.READ, Scope.SUBMIT)
    job_id = failed(client, settings, cat, **key)
    assert [letter["id"] for letter in listed(client, **key)] == [job_id]
    refused = client.post(f"{PATH}/{job_id}/{decision}", headers=key)
    assert "`admin`" in assert_problem(refused, 403, "insufficient_scope")
    assert [letter["id"] for letter in listed(client, **key)] == [job_id]


def test_a_job_that_has_not_failed_and_an_unknown_one_are_not_retried(
    client: FlaskClient, cat: bytes
) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    assert_problem(client.post(f"{PATH}/{job_id}/retry"), 422, "invalid_request")
    unknown = client.post(f"{PATH}/{new_job_id()}/retry")
    assert_problem(unknown, 404, "unknown_explanation")


def test_a_job_whose_manifest_is_gone_cannot_be_retried_and_stays_listed(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    job_id = failed(client, settings, cat)
    open_store(settings).delete(manifest_key(job_id))
    assert_problem(client.post(f"{PATH}/{job_id}/retry"), 410, "explanation_gone")
    assert [letter["id"] for letter in listed(client)] == [job_id]
