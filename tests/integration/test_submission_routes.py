"""Submitting explanations over HTTP; no worker runs."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask.testing import FlaskClient

from http_api import MODEL, assert_problem, finish_next_job, stored_keys, submit_image
from ledger_harness import read_job
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import wakeup_queue
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from servers.valkey import RedisServer


def test_a_submission_is_stored_and_its_lane_is_woken(
    client: FlaskClient, settings: Settings, cat: bytes, valkey: RedisServer
) -> None:
    response = submit_image(client, cat, targets=["tiger cat", 285], metadata={"task": 7})
    assert response.status_code == 202
    explanation = response.get_json()
    assert (
        response.headers["Location"]
        == explanation["links"]["self"]
        == f"/v1/explanations/{explanation['id']}"
    )
    assert response.headers["Retry-After"] == "1"
    assert (explanation["status"], explanation["queue_position"]) == ("queued", 1)
    assert (explanation["model"], explanation["metadata"]) == (MODEL, {"task": 7})

    image, manifest = stored_keys(settings)
    assert open_store(settings).get(image) == cat
    assert (
        json.loads(open_store(settings).get(manifest))["submission"]["job_id"] == explanation["id"]
    )
    record = read_job(open_ledger(settings), explanation["id"])
    assert json.loads(record.job)["targets"] == [282, 285]
    with valkey.client() as redis:
        assert redis.llen(wakeup_queue(record.lane)) == 1


def test_base64_json_is_equivalent_to_multipart(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    body = {"image_base64": base64.b64encode(cat).decode(), "targets": "top:3"}
    response = client.post("/v1/explanations", json=body)
    assert response.status_code == 202
    record = read_job(open_ledger(settings), response.get_json()["id"])
    assert json.loads(record.job)["targets"] == [-1, -2, -3]
    assert json.loads(record.job)["image_width_px"] == 451


def test_base64_json_accepts_a_preset_and_an_escaped_image(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    image = base64.b64encode(cat + bytes(70_000)).decode().replace("/", "\\/")
    body = f'{{"preset": "classic", "image_base64": "{image}"}}'
    response = client.post("/v1/explanations", data=body, content_type="application/json")
    assert response.status_code == 202, response.get_data()
    record = read_job(open_ledger(settings), response.get_json()["id"])
    job = json.loads(record.job)
    assert job["preset"] == "classic"
    assert open_store(settings).get(job["image_key"]) == cat + bytes(70_000)


def test_method_options_reach_the_worker(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    targets = {"why": "predicted", "not": ["tiger cat", 285]}
    fields: dict[str, Any] = {
        "method": "layercam",
        "fallback": ["hirescam"],
        "score": "probability",
    }
    both = [targets, {"against": "tabby"}, 7]
    layers = ["block6a_expand_relu", "top_relu"]
    response = submit_image(client, cat, **fields, targets=both, normalize=2.5, layer=layers)
    job = json.loads(read_job(open_ledger(settings), response.get_json()["id"]).job)
    assert {name: job[name] for name in fields} == fields
    why = {"index": -1, "rivals": [282, 285], "against": False}
    assert job["targets"] == [why, {"index": 281, "rivals": [], "against": True}, 7]
    assert job["layers"] == layers
    assert (job["preset"], job["normalize"]) == (None, 2.5)
    response = submit_image(client, cat, preset="classic", targets="top:2")
    job = json.loads(read_job(open_ledger(settings), response.get_json()["id"]).job)
    assert (job["preset"], job["method"], job["score"]) == ("classic", "classic", "probability")
    assert (job["targets"], response.get_json()["method"]) == ([-1, -2], "classic")
    layers = ["top_relu", "block6a_expand_relu"]
    response = submit_image(client, cat, layers=layers, methods=["gradcam", "hirescam"])
    job = json.loads(read_job(open_ledger(settings), response.get_json()["id"]).job)
    assert (job["layers"], job["other_layers"]) == ([], [["block6a_expand_relu"]])
    assert job["other_methods"] == ["hirescam"]


def test_each_layer_costs_passes_and_the_target_layer_none_extra(
    client: FlaskClient, cat: bytes
) -> None:
    layers = ["block4a_expand_relu", "block6a_expand_relu", "top_relu"]
    fields: dict[str, Any] = {"targets": "top:20", "methods": ["gradcam", "layercam"]}
    detail = assert_problem(
        submit_image(client, cat, layers=layers, **fields, outputs=["trust"]),
        422,
        "too_many_passes",
    )
    passes = 6 * 301 + 4 * 6 * 20 + 2 * 1 - 5  # trust, other layers, target layer; one body
    assert f"may take {passes:,} forward passes" in detail
    assert submit_image(client, cat, layers=layers, **fields).status_code == 202
    detail = assert_problem(submit_image(client, cat, layers=["top"]), 422, "unknown_layer")
    assert detail.endswith("choose from: block4a_expand_relu, block6a_expand_relu, top_relu")


def test_the_file_name_is_ignored(client: FlaskClient, settings: Settings, cat: bytes) -> None:
    assert submit_image(client, cat, name="../../etc/passwd").status_code == 202
    assert submit_image(client, cat, name="a.txt").status_code == 202


def test_a_repeated_request_returns_the_cached_result(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    first = submit_image(client, cat).get_json()["id"]
    finish_next_job(settings)
    response = submit_image(client, cat, metadata={"task": 8})
    again = response.get_json()
    assert (response.status_code, again["status"], again["cached"]) == (200, "succeeded", True)
    assert (again["metadata"], again["attempts"]) == ({"task": 8}, 0)
    assert again["id"] != first
    numbers = [client.get(f"/v1/explanations/{i}/map.npy").data for i in (first, again["id"])]
    assert numbers[0] == numbers[1]
    assert client.get(f"{again['links']['self']}/overlay").status_code == 200
    assert submit_image(client, cat, cache=False).get_json()["status"] == "queued"


def test_a_submission_that_prefers_to_wait_answers_200_when_done(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    headers = {"Prefer": "respond-async, wait=30"}
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(submit_image, client, cat, headers=headers)
        ledger = open_ledger(settings)
        while not ledger.counts().accepted:
            assert not waiting.done()
        finish_next_job(settings)
        response = waiting.result(timeout=20)
    assert (response.status_code, response.get_json()["status"]) == (200, "succeeded")


def test_a_repeated_idempotency_key_returns_the_same_job_even_when_finished(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    headers = {"Idempotency-Key": "order 1"}
    first = submit_image(client, cat, headers=headers).get_json()["id"]
    assert submit_image(client, cat, headers=headers).get_json()["id"] == first
    finish_next_job(settings)
    again = submit_image(client, cat, headers=headers).get_json()
    assert (again["id"], again["status"]) == (first, "succeeded")
    assert open_ledger(settings).counts().accepted == 1


def test_an_idempotency_key_with_another_request_is_refused(
    client: FlaskClient, cat: bytes
) -> None:
    headers = {"Idempotency-Key": "order 1"}
    submit_image(client, cat, headers=headers)
    assert_problem(
        submit_image(client, cat, headers=headers, targets="top:2"), 422, "idempotency_key_reused"
    )


def test_concurrent_requests_with_one_key_create_one_job(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    headers = {"Idempotency-Key": "order 1"}
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: submit_image(client, cat, headers=headers), range(24)))
    assert {response.status_code for response in responses} <= {202, 409}
    assert len({a.get_json()["id"] for a in responses if a.status_code == 202}) == 1
    assert {a.get_json()["code"] for a in responses if a.status_code == 409} <= {
        "idempotency_key_busy"
    }
    assert open_ledger(settings).counts().accepted == 1
    assert len(stored_keys(settings)) == 2
