"""Batches over HTTP: submit, poll, results."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import pytest
from flask.testing import FlaskClient

from batch_requests import accepted_batch, item, ndjson, results_of, submit_batch
from http_api import MODEL, assert_problem, finish_next_job, submit_image
from seewhy.ids import job_time, new_job_id
from seewhy.ledger.redis.client.packing import unpack
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import JobFailure, lanes_of
from seewhy.settings import Settings
from seewhy.storage.keys import parse_job_key
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import Api


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"cache_ttl_s": 0, "batch_max_items": 250, "tenant_queue_limit": 200}


@pytest.fixture
def dog(photos: Path) -> bytes:
    return (photos / "coffee.jpg").read_bytes()


def read(client: FlaskClient, batch_id: str) -> Any:
    response = client.get(f"/v1/batches/{batch_id}")
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def test_a_batch_is_accepted_runs_and_gives_each_item_its_result(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes, dog: bytes
) -> None:
    items = [item(cat, key="cat", metadata={"n": 1}), item(dog, key="dog", targets=[281])]
    response = submit_batch(client, items, outputs=[], metadata={"n": 0})
    assert response.status_code == 202
    batch = response.get_json()
    assert response.headers["Location"] == batch["links"]["self"] == f"/v1/batches/{batch['id']}"
    assert (batch["status"], batch["counts"]["waiting"], batch["refused"]) == ("accepting", 2, [])
    assert [line["status"] for line in results_of(client, batch["id"])] == ["waiting"] * 2

    api.acceptor.accept_batches()
    running = read(client, batch["id"])
    assert (running["status"], running["counts"]["queued"]) == ("running", 2)
    finish_next_job(settings)
    finish_next_job(settings)
    finished = read(client, batch["id"])
    assert (finished["status"], finished["counts"]["succeeded"]) == ("finished", 2)
    assert finished["eta_s"] is None

    first, second = results_of(client, batch["id"])
    assert (first["index"], first["key"], first["status"]) == (0, "cat", "succeeded")
    assert (first["metadata"], second["metadata"]) == ({"n": 1}, {"n": 0}), "overrides"
    assert first["priority"] == "batch"
    assert first["result"]["targets"][0]["score"]["index"] == 282
    assert client.get(first["links"]["map"]).status_code == 200
    assert job_time(first["id"]) == job_time(batch["id"]), "so that both are in one folder"
    assert results_of(client, batch["id"], after=0) == [second]
    assert results_of(client, batch["id"], after=1) == []


def test_bad_items_are_refused_without_the_others(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    refused: list[tuple[Any, str]] = [
        ("not JSON", "invalid_request"),
        ("[1]", "invalid_request"),
        ({"key": "nothing"}, "invalid_request"),
        (item(b"no image", key="text"), "unsupported_image"),
        (item(cat, key="x", method="unknown"), "unknown_method"),
        (item(cat, key="y", surprise=1), "invalid_request"),
        (item(cat, key=""), "invalid_request"),
        (item(cat, key=7), "invalid_request"),
        (item(cat, key="good"), "invalid_request"),  # a key twice
        (item(cat, priority="interactive"), "invalid_request"),
        (item(cat, webhook="https://a.test/"), "invalid_request"),
        ({"image_base64": "!"}, "invalid_request"),
    ]
    lines = [item(cat, key="good"), *(bad for bad, _ in refused)]
    answer = submit_batch(client, lines).get_json()
    assert [each["code"] for each in answer["refused"]] == [code for _, code in refused]
    assert [each["index"] for each in answer["refused"]] == list(range(1, len(lines)))
    assert (answer["counts"]["refused"], answer["counts"]["waiting"]) == (len(refused), 1)
    api.acceptor.accept_batches()
    finish_next_job(settings)
    lines_of = results_of(client, answer["id"])
    assert [line["status"] for line in lines_of] == ["succeeded"] + ["refused"] * len(refused)
    assert lines_of[4]["error"]["code"] == "unsupported_image"
    assert lines_of[4]["key"] == "text"
    assert read(client, answer["id"])["status"] == "finished"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"request": "{"}, 400),
        ({"request": "[]"}, 422),
        ({"request": '{"priority": "interactive"}'}, 422),
        ({"request": '{"surprise": 1}'}, 422),
    ],
)
def test_a_bad_request_of_the_whole_batch_is_refused(
    client: FlaskClient, query: dict[str, str], status: int, cat: bytes
) -> None:
    response = client.post(
        "/v1/batches",
        data=ndjson([item(cat)]),
        query_string=query,
        content_type="application/x-ndjson",
    )
    assert_problem(response, status, "invalid_request")


def test_an_empty_batch_and_another_media_type_are_refused(client: FlaskClient) -> None:
    assert "no items" in assert_problem(submit_batch(client, ["", " "]), 422, "invalid_request")
    response = client.post("/v1/batches", data=b"x", content_type="text/plain")
    assert "x-ndjson" in assert_problem(response, 422, "invalid_request")


def test_a_batch_has_a_limited_number_of_items(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    response = submit_batch(client, ["{}"] * 251)
    assert "250" in assert_problem(response, 413, "batch_too_large")


def test_a_batch_with_an_idempotency_key_is_accepted_once(
    client: FlaskClient, cat: bytes, dog: bytes
) -> None:
    headers = {"Idempotency-Key": "k"}
    first = submit_batch(client, [item(cat), "bad"], headers=headers)
    again = submit_batch(client, [item(cat), "bad"], headers=headers)
    assert again.status_code == 202
    assert again.get_json()["id"] == first.get_json()["id"]
    assert again.get_json()["refused"] == first.get_json()["refused"] != []
    other_items = submit_batch(client, [item(dog)], headers=headers)
    assert_problem(other_items, 422, "idempotency_key_reused")
    other_request = submit_batch(client, [item(cat), "bad"], headers=headers, outputs=[])
    assert_problem(other_request, 422, "idempotency_key_reused")


def test_an_image_that_was_sent_before_is_named_by_its_id(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    submit_image(client, cat)
    finish_next_job(settings)
    image_id = hashlib.sha256(cat).hexdigest()
    batch_id = accepted_batch(
        api, client, [{"image_id": image_id, "key": "a"}, {"image_id": "0" * 64, "key": "b"}]
    )
    finish_next_job(settings)
    first, second = results_of(client, batch_id)
    assert (first["key"], first["status"]) == ("a", "succeeded")
    assert (second["key"], second["status"], second["error"]["code"]) == (
        "b",
        "refused",
        "unknown_image",
    )
    assert read(client, batch_id)["counts"]["refused"] == 1


def test_accepting_waits_for_room_in_the_queue(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    batch_id = accepted_batch(api, client, [item(cat)] * 205)
    batch = read(client, batch_id)
    assert batch["status"] == "accepting"
    assert (batch["counts"]["queued"], batch["counts"]["waiting"]) == (200, 5)


def test_chunks_are_submitted_in_order_across_their_borders(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    items = [item(cat, key=f"item {n}") if n % 3 else "bad" for n in range(150)]
    batch_id = accepted_batch(api, client, items)
    batch = read(client, batch_id)
    assert batch["status"] == "running"
    assert (batch["counts"]["queued"], batch["counts"]["refused"]) == (100, 50)
    lines = results_of(client, batch_id)
    assert [line["index"] for line in lines] == list(range(150))
    assert [line["key"] for line in lines if line["key"]] == [
        f"item {n}" for n in range(150) if n % 3
    ]
    assert len({line["id"] for line in lines if "id" in line}) == 100
    assert [line["index"] for line in results_of(client, batch_id, after=98)] == [*range(99, 150)]


def test_an_unknown_batch_is_not_found_and_an_old_one_is_gone(client: FlaskClient) -> None:
    for batch_id in (new_job_id(), "x"):
        assert_problem(client.get(f"/v1/batches/{batch_id}"), 404, "unknown_batch")
    old = new_job_id(now_ms=lambda: 0)
    assert_problem(client.get(f"/v1/batches/{old}"), 410, "batch_gone")
    batch = f"/v1/batches/{new_job_id()}/results"
    assert_problem(client.get(batch), 404, "unknown_batch")


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "9999999999"])
def test_after_must_be_the_index_of_an_item(api: Api, client: FlaskClient, after: str) -> None:
    batch_id = accepted_batch(api, client, ["bad"])
    response = client.get(f"/v1/batches/{batch_id}/results", query_string={"after": after})
    assert_problem(response, 422, "invalid_request")


def test_a_batch_whose_items_were_all_refused_is_finished(api: Api, client: FlaskClient) -> None:
    batch_id = accepted_batch(api, client, ["bad", "worse"])
    assert read(client, batch_id)["status"] == "finished"


def test_waiting_for_a_batch_returns_at_its_end(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    batch_id = accepted_batch(api, client, [item(cat)])
    assert client.get(f"/v1/batches/{batch_id}?wait=1").get_json()["status"] == "running"
    finish_next_job(settings)
    assert client.get(f"/v1/batches/{batch_id}?wait=30").get_json()["status"] == "finished"


def test_a_failed_item_shows_its_error(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    batch_id = accepted_batch(api, client, [item(cat)])
    (line,) = results_of(client, batch_id)
    open_ledger(settings).cancel(line["id"])
    (line,) = results_of(client, batch_id)
    assert line["status"] == "cancelled"
    assert read(client, batch_id)["counts"]["cancelled"] == 1


def test_the_store_names_all_objects_of_a_batch(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    batch_id = accepted_batch(api, client, [item(cat)])
    keys = [parse_job_key(key) for key in open_store(settings).list_keys("jobs/")]
    assert sorted(str(key.kind) for key in keys if key and key.job_id == batch_id) == [
        "batch",
        "chunk",
    ]


def test_the_model_of_items_is_the_one_that_the_request_names(
    api: Api, client: FlaskClient, cat: bytes
) -> None:
    response = submit_batch(client, [item(cat), item(cat, model="unknown")], model=MODEL)
    (refused,) = response.get_json()["refused"]
    assert (refused["index"], refused["code"]) == (1, "unknown_model")
    assert json.loads(response.get_data())["counts"]["total"] == 2


def test_cancelling_a_batch_ends_its_queued_jobs_and_drops_the_others(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    batch_id = accepted_batch(api, client, [item(cat)] * 205, cache=False)
    open_ledger(settings).claim(lanes_of(MODEL), owner="w", limit=2)
    answer = client.post(f"/v1/batches/{batch_id}/cancel").get_json()
    assert (answer["status"], answer["cancel_requested"]) == ("accepting", True)
    api.acceptor.accept_batches()
    cancelled = read(client, batch_id)
    assert (cancelled["status"], cancelled["counts"]["running"]) == ("running", 2)
    assert cancelled["counts"]["cancelled"] == 203
    states = [line["status"] for line in results_of(client, batch_id)]
    assert states == ["running"] * 2 + ["cancelled"] * 203
    for line in results_of(client, batch_id)[:2]:
        assert line["cancel_requested"]


def test_a_cancelled_batch_stays_cancelled_after_a_loss_of_redis(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    api.sweeper.recover()
    batch_id = submit_batch(client, [item(cat)] * 3).get_json()["id"]
    client.post(f"/v1/batches/{batch_id}/cancel")
    open_ledger(settings).scripts.client.flushall()
    assert_problem(client.get(f"/v1/batches/{batch_id}"), 503, "ledger_unavailable")
    api.sweeper.recover()
    api.acceptor.accept_batches()
    batch = read(client, batch_id)
    assert (batch["status"], batch["counts"]["cancelled"]) == ("cancelled", 3)
    ended = client.post(f"/v1/batches/{batch_id}/cancel").get_json()
    assert ended == batch


def test_failed_items_of_an_ended_batch_run_again_in_a_new_batch(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    items = [item(cat, key=f"item {n}") for n in range(4)] + ["bad"]
    batch_id = accepted_batch(api, client, items, cache=False, outputs=[])
    retry = f"/v1/batches/{batch_id}/retry"
    assert_problem(client.post(retry), 409, "result_not_ready")
    ledger = open_ledger(settings)
    claims = ledger.claim(lanes_of(MODEL), owner="w", limit=3)
    ledger.fail([JobFailure(claim, "code", "detail") for claim in claims[1:]])
    ledger.release(claims[:1])
    finish_next_job(settings)
    finish_next_job(settings)
    assert read(client, batch_id)["links"]["retry"] == retry

    response = client.post(retry)
    assert response.status_code == 202
    again = response.get_json()
    assert response.headers["Location"] == again["links"]["self"]
    assert (again["retry_of"], again["retries"]) == (batch_id, 1)
    assert client.post(retry).get_json()["id"] == again["id"], "a second retry is the same batch"
    api.acceptor.accept_batches()
    assert read(client, again["id"])["counts"]["queued"] == 2
    finish_next_job(settings)
    finish_next_job(settings)
    lines = results_of(client, again["id"])
    assert [(line["key"], line["status"]) for line in lines] == [
        ("item 1", "succeeded"),
        ("item 2", "succeeded"),
    ]
    before = {line["key"]: line for line in results_of(client, batch_id)}
    assert before["item 1"]["status"] == "failed", "the first batch stays as it was"
    assert before["item 1"]["id"] != lines[0]["id"]
    assert read(client, batch_id)["counts"]["failed"] == 2
    assert_problem(client.post(f"{again['links']['self']}/retry"), 422, "invalid_request")


def test_a_webhook_of_a_batch_needs_webhooks_to_be_on(client: FlaskClient, cat: bytes) -> None:
    response = submit_batch(client, [item(cat)], webhook="https://hooks.test/x")
    assert "off" in assert_problem(response, 422, "invalid_request")


def test_a_batch_streams_its_progress_until_it_has_ended(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    batch_id = accepted_batch(api, client, [item(cat)] * 2, cache=False, outputs=[])
    stream = client.get(f"/v1/batches/{batch_id}/events")
    messages = iter(stream.response)
    first = decode_event(next(messages))
    assert (first["id"], first["data"]["counts"]["queued"]) == ("0-0", 2)
    finish_next_job(settings)
    second = decode_event(next(messages))
    assert (second["id"], second["data"]["counts"]["succeeded"]) == ("0-0", 1)
    reconnected = client.get(
        f"/v1/batches/{batch_id}/events", headers={"Last-Event-ID": second["id"]}
    )
    assert decode_event(next(iter(reconnected.response)))["data"] == second["data"]
    finish_next_job(settings)
    last = decode_event(next(messages))
    assert (last["id"], last["data"]) == ("end", read(client, batch_id))
    assert list(messages) == []
    resumed = client.get(f"/v1/batches/{batch_id}/events", headers={"Last-Event-ID": "end"})
    assert resumed.status_code == 204


def test_the_stored_overlays_come_as_a_zip_archive(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes, dog: bytes
) -> None:
    items = [item(cat, key="a/../cat"), item(dog), item(cat, outputs=[]), item(dog, surprise=1)]
    batch_id = accepted_batch(api, client, items, cache=False)
    store = open_store(settings)
    for n in range(2):
        finish_next_job(settings)
        line = results_of(client, batch_id)[n]
        ledger = open_ledger(settings).scripts.client
        result = json.loads(unpack(ledger.hget(f"{{seewhy}}:job:{line['id']}", "result")))
        result["objects"]["overlay"] = f"results/{line['id']}/1/overlay.jpg"
        store.put(result["objects"]["overlay"], f"overlay {n}".encode(), content_type="image/jpeg")
        ledger.hset(f"{{seewhy}}:job:{line['id']}", "result", json.dumps(result))
    finish_next_job(settings)
    response = client.get(f"/v1/batches/{batch_id}/overlays.zip")
    assert response.status_code == 200
    assert response.mimetype == "application/zip"
    second_id = results_of(client, batch_id)[1]["id"]
    with ZipFile(io.BytesIO(response.get_data())) as archive:
        assert archive.testzip() is None
        assert {each.compress_type for each in archive.infolist()} == {ZIP_STORED}
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "00000-a_.._cat.jpg": b"overlay 0",
            f"00001-{second_id}.jpg": b"overlay 1",
        }


def test_a_batch_without_results_gives_an_empty_archive(api: Api, client: FlaskClient) -> None:
    batch_id = accepted_batch(api, client, ["bad"])
    response = client.get(f"/v1/batches/{batch_id}/overlays.zip")
    with ZipFile(io.BytesIO(response.get_data())) as archive:
        assert archive.namelist() == []


def decode_event(message: Any) -> Any:
    text = message.decode() if isinstance(message, bytes) else message
    fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
    return {"id": fields["id"], "data": json.loads(fields["data"])}
