"""Submissions while Redis, the object store or the broker fails."""

from pathlib import Path
from typing import NoReturn

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from http_api import MODEL, assert_problem, stored_keys, submit_image
from ledger_harness import read_job
from seewhy.broker.wakeups import WakeupPublisher
from seewhy.client import Explanation
from seewhy.errors import LedgerUnavailable
from seewhy.ids import new_job_id
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import Submission, lanes_of, wakeup_queue
from seewhy.schemas.job import JobState
from seewhy.settings import Settings
from seewhy.storage.keys import manifest_key
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import Api, create_api
from servers.valkey import RedisServer


def test_a_job_that_redis_loses_before_the_response_is_accepted(
    client: FlaskClient,
    settings: Settings,
    cat: bytes,
    valkey: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error would make the client submit again, and a rebuild would run both jobs."""

    def notify(self: WakeupPublisher, lane: str, *, times: int = 1) -> bool:
        with valkey.client() as redis:
            redis.flushall()
        return False

    monkeypatch.setattr(WakeupPublisher, "notify", notify)
    response = submit_image(client, cat, targets=[282])
    assert response.status_code == 202
    explanation = Explanation.model_validate(response.get_json())
    assert (explanation.status, explanation.model, explanation.attempts) == (
        JobState.QUEUED,
        MODEL,
        0,
    )
    assert open_ledger(settings).read(explanation.id) is None
    assert open_store(settings).get(manifest_key(explanation.id))


@pytest.mark.parametrize("method", ["read", "work_ahead"])
def test_a_job_is_accepted_even_if_redis_fails_before_the_response(
    client: FlaskClient, cat: bytes, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(*_: object) -> NoReturn:
        raise LedgerUnavailable("down")

    monkeypatch.setattr(RedisLedger, method, fail)
    response = submit_image(client, cat, headers={"Prefer": "wait=1"})
    assert response.status_code == 202
    body = response.get_json()
    assert body["status"] == "queued"
    assert response.headers["Location"] == f"/v1/explanations/{body['id']}"


def test_lost_jobs_are_unavailable_until_they_are_restored(
    client: FlaskClient, settings: Settings, cat: bytes, api: Api, valkey: RedisServer
) -> None:
    api.sweeper.recover()
    job_id = submit_image(client, cat).get_json()["id"]
    with valkey.client() as redis:
        redis.flushall()
    for path in ("", "/overlay", "/events"):
        assert_problem(client.get(f"/v1/explanations/{job_id}{path}"), 503, "ledger_unavailable")
    api.sweeper.recover()
    assert client.get(f"/v1/explanations/{job_id}").get_json()["status"] == "queued"
    unknown = new_job_id()
    assert_problem(client.get(f"/v1/explanations/{unknown}"), 404, "unknown_explanation")


def test_a_key_waits_until_lost_jobs_are_restored(
    client: FlaskClient, cat: bytes, api: Api, valkey: RedisServer
) -> None:
    api.sweeper.recover()
    headers = {"Idempotency-Key": "k"}
    job_id = submit_image(client, cat, headers=headers).get_json()["id"]
    with valkey.client() as redis:
        redis.flushall()
    assert_problem(submit_image(client, cat, headers=headers), 503, "ledger_unavailable")
    assert submit_image(client, cat).status_code == 202, "without a key, it goes on"
    api.sweeper.recover()
    assert submit_image(client, cat, headers=headers).get_json()["id"] == job_id


def test_a_redis_that_is_held_by_a_script_is_unavailable(
    client: FlaskClient, cat: bytes, valkey: RedisServer
) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    with valkey.held_by_a_script():
        for response in (
            submit_image(client, cat),
            client.get(f"/v1/explanations/{job_id}"),
            client.post(f"/v1/explanations/{job_id}/cancel"),
        ):
            assert_problem(response, 503, "ledger_unavailable")
        assert client.get("/readyz").status_code == 503
    assert client.get(f"/v1/explanations/{job_id}").status_code == 200


def test_without_redis_nothing_is_accepted(
    settings: Settings, cat: bytes, tmp_path: Path, unused_port: int
) -> None:
    unavailable = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{unused_port}/0"})
    client = create_api(unavailable).flask.test_client()
    for headers in ({}, {"Idempotency-Key": "k"}):
        response = submit_image(client, cat, headers=headers)
        assert_problem(response, 503, "ledger_unavailable")
        assert int(response.headers["Retry-After"]) > 0
    assert not any(key.startswith("jobs/") for key in stored_keys(settings)), "no manifest remains"
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_without_the_store_nothing_is_accepted(
    settings: Settings, cat: bytes, unused_port: int
) -> None:
    unavailable = settings.model_copy(
        update={
            "store_url": "s3://nowhere",
            "s3_endpoint": f"http://127.0.0.1:{unused_port}",
            "s3_access_key_id": "a",
            "s3_secret_access_key": SecretStr("b"),
        }
    )
    client = create_api(unavailable).flask.test_client()
    response = submit_image(client, cat)
    assert_problem(response, 503, "store_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert open_ledger(settings).counts().accepted == 0
    assert client.get("/readyz").get_json()["checks"] == {
        "ledger": "ok",
        "store": "store_unavailable",
    }


def test_a_retry_after_a_store_failure_is_accepted(
    settings: Settings, cat: bytes, tmp_path: Path
) -> None:
    """The failed request must not keep its key busy."""
    objects, aside = tmp_path / "objects", tmp_path / "aside"
    client = create_api(settings).flask.test_client()
    headers = {"Idempotency-Key": "k"}
    objects.rename(aside)
    objects.touch()
    assert_problem(submit_image(client, cat, headers=headers), 503, "store_unavailable")
    objects.unlink()
    aside.rename(objects)
    assert submit_image(client, cat, headers=headers).status_code == 202
    assert open_ledger(settings).counts().accepted == 1


def test_a_lost_ledger_reply_keeps_the_manifest(
    settings: Settings, api: Api, cat: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first response is 503; the retry returns the same job, which must be durable."""
    submit = RedisLedger.submit

    def submit_without_reply(ledger: RedisLedger, submission: Submission, **_: object) -> NoReturn:
        submit(ledger, submission)
        raise LedgerUnavailable("The reply was lost.")

    client, headers = api.flask.test_client(), {"Idempotency-Key": "k"}
    monkeypatch.setattr(RedisLedger, "submit", submit_without_reply)
    assert_problem(submit_image(client, cat, headers=headers), 503, "ledger_unavailable")
    monkeypatch.undo()
    response = submit_image(client, cat, headers=headers)
    assert response.status_code == 202
    assert manifest_key(response.get_json()["id"]) in stored_keys(settings)


def test_a_lost_wakeup_is_repeated_by_the_sweep(
    settings: Settings, api: Api, cat: bytes, valkey: RedisServer
) -> None:
    """The queue is deleted; the next sweep publishes a wakeup again."""
    lane = lanes_of(MODEL)[0]
    with valkey.client() as redis:
        job_id = submit_image(api.flask.test_client(), cat).get_json()["id"]
        redis.delete(wakeup_queue(lane))
        redis.zadd("{seewhy}:due", {job_id: 0})
        api.sweeper.sweep()
        assert redis.llen(wakeup_queue(lane)) == 1
    assert read_job(open_ledger(settings), job_id).state is JobState.QUEUED
