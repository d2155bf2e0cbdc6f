"""The HTTP door over a real Valkey and a real directory store; no worker is running."""

import base64
import io
import json
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image
from pydantic import SecretStr
from werkzeug.test import TestResponse

from seewhy.broker.wakeups import WakeupPublisher
from seewhy.client import Explanation
from seewhy.errors import LedgerUnavailable
from seewhy.ids import new_job_id
from seewhy.imaging import codecs, maps
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import Completion, lanes_of, wakeup_queue
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import JobState
from seewhy.schemas.methods import METHOD_INFO, METHODS
from seewhy.schemas.result import ClassScore, Result, TargetResult, Verdict
from seewhy.settings import Settings, load
from seewhy.storage.keys import manifest_key, result_key
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import Api, create_api
from servers.valkey import RedisServer

MODEL = "efficientnet-lite0"
JSON = "application/json"


@pytest.fixture
def settings(valkey: RedisServer, tmp_path: Path) -> Settings:
    with valkey.client() as client:
        client.flushdb()
    return load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{tmp_path}/objects",
        default_model=MODEL,
        max_upload_bytes=200_000,
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    api = create_api(settings)
    api.event_feed.start()
    yield api
    api.event_feed.stop()


@pytest.fixture
def client(api: Api) -> FlaskClient:
    return api.flask.test_client()


@pytest.fixture
def cat(photos: Path) -> bytes:
    return (photos / "cat.jpg").read_bytes()


def post(
    client: FlaskClient, picture: bytes, *, name: str = "a.jpg", headers: Any = None, **asked: Any
) -> TestResponse:
    form = {"image": (io.BytesIO(picture), name)}
    if asked:
        form["request"] = json.dumps(asked)
    return client.post("/v1/explanations", data=form, headers=headers or {})


def refused(answer: TestResponse, status: int, code: str) -> str:
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    assert (answer.json["code"], answer.json["status"]) == (code, status)
    assert "Traceback" not in answer.get_data(as_text=True)
    return answer.json["detail"]


def stored(settings: Settings) -> list[str]:
    store = open_store(settings)
    return sorted(
        key for prefix in ("images/", "jobs/", "results/") for key in store.list_keys(prefix)
    )


MAP = np.linspace(-1, 1, 49, dtype=np.float32).reshape(1, 7, 7)


def finish_one(settings: Settings) -> None:
    """Do what a worker does, as far as the ledger and the store see it."""
    ledger, store = open_ledger(settings), open_store(settings)
    (claim,) = ledger.claim(lanes_of(MODEL), owner="a test", limit=1)
    key = result_key(claim.job_id, claim.fence, "map.npy")
    store.put(key, maps.encode_npy(MAP), content_type="application/octet-stream")
    score = ClassScore(index=282, label="tiger cat", logit=1.0, probability=0.5)
    result = Result(
        model=MODEL,
        model_digest="d",
        method="gradcam",
        layer="l",
        linear=True,
        targets=(TargetResult(score=score, verdict=Verdict.OK, minimum=-1, maximum=1),),
        top=(score,),
        map_height=7,
        map_width=7,
        covers=Rectangle(x=100, y=0, width=300, height=300),
        image_width_px=451,
        image_height_px=300,
        objects={"map": key},
        digests={},
        timings_ms={},
        versions={},
    )
    assert ledger.complete([Completion(claim, result.model_dump_json())]) == [True]


def test_a_submitted_picture_is_promised_and_rung_for(client, settings, cat, valkey):
    answer = post(client, cat, targets=["tiger cat", 285], metadata={"task": 7})
    assert answer.status_code == 202
    shown = answer.json
    assert answer.headers["Location"] == shown["links"]["self"] == f"/v1/explanations/{shown['id']}"
    assert answer.headers["Retry-After"] == "1"
    assert (shown["status"], shown["queue_position"]) == ("queued", 1)
    assert (shown["model"], shown["metadata"]) == (MODEL, {"task": 7})

    image, manifest = stored(settings)
    assert open_store(settings).get(image) == cat
    assert json.loads(open_store(settings).get(manifest))["job_id"] == shown["id"]
    record = open_ledger(settings).read(shown["id"])
    assert json.loads(record.job)["targets"] == [282, 285]
    with valkey.client() as redis:
        assert redis.llen(wakeup_queue(record.lane)) == 1


def test_base64_json_is_the_same_as_multipart(client, settings, cat):
    body = {"image_base64": base64.b64encode(cat).decode(), "targets": "top:3"}
    answer = client.post("/v1/explanations", json=body)
    assert answer.status_code == 202
    record = open_ledger(settings).read(answer.json["id"])
    assert json.loads(record.job)["targets"] == [-1, -2, -3]
    assert json.loads(record.job)["image_width_px"] == 451


def test_how_a_map_is_made_and_drawn_is_promised_to_the_worker(client, settings, cat):
    targets = {"why": "predicted", "not": ["tiger cat", 285]}
    asked = {"method": "layercam", "fallback": ["hirescam"], "score": "probability"}
    both = [targets, {"against": "tabby"}, 7]
    layers = ["block6a_expand_relu", "top_relu"]
    answer = post(client, cat, **asked, targets=both, normalize=2.5, layer=layers)
    job = json.loads(open_ledger(settings).read(answer.json["id"]).job)
    assert {name: job[name] for name in asked} == asked
    why = {"index": -1, "rivals": [282, 285], "against": False}
    assert job["targets"] == [why, {"index": 281, "rivals": [], "against": True}, 7]
    assert job["layers"] == layers
    assert (job["preset"], job["normalize"]) == (None, 2.5)
    answer = post(client, cat, preset="classic", targets="top:2")
    job = json.loads(open_ledger(settings).read(answer.json["id"]).job)
    assert (job["preset"], job["method"], job["score"]) == ("classic", "classic", "probability")
    assert (job["targets"], answer.json["method"]) == ([-1, -2], "classic")


def test_what_redis_loses_before_the_answer_is_promised_all_the_same(
    client, settings, cat, valkey, monkeypatch
):
    """Another answer would have the client ask anew, and a rebuild would run both jobs."""

    def notify(self, lane, *, times=1):
        with valkey.client() as redis:
            redis.flushall()

    monkeypatch.setattr(WakeupPublisher, "notify", notify)
    answer = post(client, cat, targets=[282])
    assert answer.status_code == 202
    shown = Explanation.model_validate(answer.json)
    assert (shown.status, shown.model, shown.attempts) == (JobState.QUEUED, MODEL, 0)
    assert open_ledger(settings).read(shown.id) is None
    assert open_store(settings).get(manifest_key(shown.id))


def test_the_same_request_later_has_its_result_at_once(client, settings, cat):
    first = post(client, cat).json["id"]
    finish_one(settings)
    again = post(client, cat, metadata={"task": 8})
    assert (again.status_code, again.json["status"], again.json["cached"]) == (
        200,
        "succeeded",
        True,
    )
    assert (again.json["metadata"], again.json["attempts"]) == ({"task": 8}, 0)
    assert again.json["id"] != first
    numbers = [client.get(f"/v1/explanations/{i}/map.npy").data for i in (first, again.json["id"])]
    assert numbers[0] == numbers[1]
    assert client.get(f"{again.json['links']['self']}/overlay").status_code == 200
    assert post(client, cat, cache=False).json["status"] == "queued"


def test_jobs_that_redis_has_lost_are_unavailable_until_they_are_back(
    client, settings, cat, api, valkey
):
    api.sweeper.recover()
    job_id = post(client, cat).json["id"]
    with valkey.client() as redis:
        redis.flushall()
    for path in ("", "/overlay", "/events"):
        refused(client.get(f"/v1/explanations/{job_id}{path}"), 503, "ledger_unavailable")
    api.sweeper.recover()
    assert client.get(f"/v1/explanations/{job_id}").json["status"] == "queued"
    unknown = new_job_id()
    refused(client.get(f"/v1/explanations/{unknown}"), 404, "unknown_explanation")


def test_a_poll_waits_for_the_outcome_and_no_longer(client, settings, cat):
    job_id = post(client, cat).json["id"]
    assert client.get(f"/v1/explanations/{job_id}?wait=0").json["status"] == "queued"
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.get, f"/v1/explanations/{job_id}?wait=30")
        finish_one(settings)
        assert waiting.result(timeout=20).json["status"] == "succeeded"


def test_a_submission_that_prefers_to_wait_answers_200_when_done(client, settings, cat):
    headers = {"Prefer": "respond-async, wait=30"}
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(post, client, cat, headers=headers)
        ledger = open_ledger(settings)
        while not ledger.counts().accepted:
            assert not waiting.done()
        finish_one(settings)
        answer = waiting.result(timeout=20)
    assert (answer.status_code, answer.json["status"]) == (200, "succeeded")


def test_a_queued_explanation_is_cancelled(client, settings, cat):
    job_id = post(client, cat).json["id"]
    assert client.post(f"/v1/explanations/{job_id}/cancel").json["status"] == "cancelled"
    assert client.get(f"/v1/explanations/{job_id}").json["links"]["cancel"] is None
    assert open_ledger(settings).claim(lanes_of(MODEL), owner="a test", limit=1) == []


def test_the_same_key_and_request_give_the_same_job_also_after_completion(client, settings, cat):
    headers = {"Idempotency-Key": "order 1"}
    first = post(client, cat, headers=headers).json["id"]
    assert post(client, cat, headers=headers).json["id"] == first
    finish_one(settings)
    again = post(client, cat, headers=headers)
    assert (again.json["id"], again.json["status"]) == (first, "succeeded")
    assert open_ledger(settings).counts().accepted == 1


def test_the_same_key_with_another_request_is_refused(client, cat):
    headers = {"Idempotency-Key": "order 1"}
    post(client, cat, headers=headers)
    refused(post(client, cat, headers=headers, targets="top:2"), 422, "idempotency_key_reused")


def test_many_first_requests_with_one_key_make_one_job(client, settings, cat):
    headers = {"Idempotency-Key": "order 1"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(client, cat, headers=headers), range(24)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({a.json["id"] for a in answers if a.status_code == 202}) == 1
    assert {a.json["code"] for a in answers if a.status_code == 409} <= {"idempotency_key_busy"}
    assert open_ledger(settings).counts().accepted == 1
    assert len(stored(settings)) == 2


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + checksum

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x01\x00\x00\x00\x00"
    data = zlib.compress(bytes(1000))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def gif() -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (8, 8)).save(body, "GIF")
    return body.getvalue()


def noise() -> bytes:
    body = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)).save(
        body, "PNG"
    )
    return body.getvalue()


BAD_PICTURES = {
    "empty": (b"", 422, "empty_image"),
    "text": (b"hello, I am a picture", 415, "unsupported_image"),
    "html": (b"<html><script>alert(1)</script></html>", 415, "unsupported_image"),
    "a gif called jpg": (gif(), 415, "unsupported_image"),
    "a header claiming 50,000 x 50,000": (png_that_claims(50_000, 50_000), 413, "image_too_large"),
    "too many bytes": (noise(), 413, "image_too_large"),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_a_bad_picture_is_refused_and_leaves_nothing_behind(client, settings, name):
    picture, status, code = BAD_PICTURES[name]
    refused(post(client, picture), status, code)
    assert stored(settings) == []
    assert open_ledger(settings).counts().accepted == 0


@pytest.mark.parametrize("part", [0.01, 0.3, 0.7, 0.999])
def test_a_truncated_picture_is_refused(client, settings, cat, part):
    answer = post(client, cat[: int(len(cat) * part)])
    refused(answer, 422, "broken_image")
    assert stored(settings) == []


def test_a_body_over_the_limit_is_refused_while_it_is_read(client, settings):
    refused(post(client, b"\xff\xd8\xff" + bytes(400_000)), 413, "image_too_large")
    assert stored(settings) == []


BAD_REQUESTS = {
    "unknown model": ({"model": "vgg61"}, "unknown_model", "vgg16"),
    "unknown method": ({"method": "gradcan"}, "unknown_method", "gradcam"),
    "unknown class": ({"targets": ["tiger cta"]}, "unknown_class", "tiger cat"),
    "class out of range": ({"targets": [1000]}, "unknown_class", "999"),
    "negative class": ({"targets": [-1]}, "unknown_class", "999"),
    "unknown field": ({"modle": "vgg16"}, "invalid_request", "modle"),
    "too many targets": ({"targets": "top:21"}, "invalid_request", "targets"),
    "a deadline in the past": ({"deadline_s": -1}, "invalid_request", "deadline_s"),
    "a deadline that is no number": ({"deadline_s": float("nan")}, "invalid_request", "deadline_s"),
    "a truth for a class": ({"targets": [True]}, "invalid_request", "targets"),
    "endless metadata": ({"metadata": {"x": "y" * 5000}}, "invalid_request", "4096"),
    "unknown fallback": ({"fallback": ["hirescan"]}, "unknown_method", "hirescam"),
    "a fallback tried before": ({"fallback": ["gradcam"]}, "invalid_request", "repeats a method"),
    "unknown score": ({"score": "margin"}, "invalid_request", "score"),
    "unknown preset": ({"preset": "modern"}, "invalid_request", "preset"),
    "a preset and a method": (
        {"preset": "classic", "method": "gradcam"},
        "invalid_request",
        "fixes method",
    ),
    "the preset's own method": ({"method": "classic"}, "unknown_method", "gradcam"),
    "a scale of nothing": ({"normalize": 0}, "invalid_request", "normalize"),
    "a scale that is no number": ({"normalize": float("nan")}, "invalid_request", "normalize"),
    "a truth for a scale": ({"normalize": True}, "invalid_request", "normalize"),
    "a contrast with nobody": ({"targets": {"why": 1, "not": []}}, "invalid_request", "not"),
    "a contrast without why": ({"targets": {"not": [1]}}, "invalid_request", "why"),
    "a contrast with itself": (
        {"targets": {"why": 282, "not": ["tiger cat"]}},
        "invalid_request",
        "more than once",
    ),
    "an unknown rival": ({"targets": {"why": 1, "not": ["cta"]}}, "unknown_class", "cta"),
    "a contrast of a method that chooses": (
        {"targets": {"why": 1, "not": [2]}, "method": "finercam"},
        "invalid_request",
        "chooses the rivals",
    ),
    "a contrast of a method that knows no class": (
        {"targets": {"why": 1, "not": [2]}, "fallback": ["eigencam"]},
        "invalid_request",
        "not class-specific",
    ),
    "a contrast in a preset": (
        {"targets": {"why": 1, "not": [2]}, "preset": "classic"},
        "invalid_request",
        "cannot explain contrasts",
    ),
    "a layer that is not offered": ({"layer": "stem_relu"}, "unknown_layer", "top_relu"),
    "unknown priority": ({"priority": "now"}, "invalid_request", "priority"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_is_refused_with_a_hint_and_leaves_nothing_behind(
    client, settings, cat, name
):
    asked, code, hint = BAD_REQUESTS[name]
    assert hint in refused(post(client, cat, **asked), 422, code)
    assert stored(settings) == []


def test_requests_that_are_no_requests_are_refused(client, cat):
    url = "/v1/explanations"
    refused(client.post(url, data="{", content_type=JSON), 400, "invalid_request")
    refused(client.post(url, data=b"\xff\xfe", content_type=JSON), 400, "invalid_request")
    refused(client.post(url, data="[" * 10_000, content_type=JSON), 400, "invalid_request")
    refused(client.post(url, json=[]), 422, "invalid_request")
    refused(client.post(url, json={}), 422, "invalid_request")
    refused(client.post(url, json={"image_base64": "?"}), 422, "invalid_request")
    refused(client.post(url, data=cat, content_type="image/jpeg"), 422, "invalid_request")
    refused(client.post(url, data={"photo": (io.BytesIO(cat), "a")}), 422, "invalid_request")
    refused(client.post(url, data={"image": "text"}), 422, "invalid_request")
    two = {"image": [(io.BytesIO(cat), "a"), (io.BytesIO(cat), "b")]}
    refused(client.post(url, data=two), 422, "invalid_request")
    refused(post(client, cat, headers={"Prefer": "wait=soon"}), 422, "invalid_request")
    refused(post(client, cat, headers={"Idempotency-Key": "k" * 256}), 422, "invalid_request")


def test_the_file_name_is_nobodys_business(client, settings, cat):
    assert post(client, cat, name="../../etc/passwd").status_code == 202
    assert post(client, cat, name="a.txt").status_code == 202


@pytest.mark.parametrize("job_id", ["nonsense", "a" * 5000, "0190b0a0-0000-4000-8000-000000000000"])
def test_an_unknown_explanation_is_not_found(client, job_id):
    refused(client.get(f"/v1/explanations/{job_id}"), 404, "unknown_explanation")
    refused(client.post(f"/v1/explanations/{job_id}/cancel"), 404, "unknown_explanation")
    refused(client.get(f"/v1/explanations/{job_id}/overlay"), 404, "unknown_explanation")


def test_an_explanation_past_its_retention_is_gone(client, settings):
    made = datetime.now(UTC) - timedelta(seconds=settings.retention_s + 60)
    stamp = f"{int(made.timestamp() * 1000):012x}"
    job_id = f"{stamp[:8]}-{stamp[8:]}-7000-8000-000000000000"
    refused(client.get(f"/v1/explanations/{job_id}"), 410, "explanation_gone")


def test_a_result_that_is_not_there_yet_is_a_conflict(client, cat):
    job_id = post(client, cat).json["id"]
    for name in ("overlay", "heatmap", "map.npy"):
        refused(client.get(f"/v1/explanations/{job_id}/{name}"), 409, "result_not_ready")


def test_what_the_store_has_forgotten_is_gone_though_the_ledger_remembers(client, settings, cat):
    here = f"/v1/explanations/{post(client, cat).json['id']}"
    finish_one(settings)
    store = open_store(settings)
    (picture,) = store.list_keys("images/")
    store.delete(picture)
    said = refused(client.get(f"{here}/overlay"), 410, "explanation_gone")
    assert said == "The image is past its retention and was deleted."
    assert client.get(f"{here}/map.npy").status_code == 200
    for key in list(store.list_keys("results/")):
        store.delete(key)
    for name in ("overlay", "heatmap", "map.npy"):
        said = refused(client.get(f"{here}/{name}"), 410, "explanation_gone")
        assert said == "The result is past its retention and was deleted."


def test_a_result_is_drawn_on_demand_for_labelling_tools_on_other_origins(client, settings, cat):
    here = f"/v1/explanations/{post(client, cat).json['id']}"
    finish_one(settings)
    numbers = client.get(f"{here}/map.npy")
    np.testing.assert_array_equal(np.load(io.BytesIO(numbers.data)), MAP)
    plain = client.get(f"{here}/overlay")
    signed = client.get(f"{here}/overlay?target=tiger cat&polarity=signed&alpha=0.9")
    heat = client.get(f"{here}/heatmap?colormap=viridis")
    assert [a.content_type for a in (plain, signed, heat)] == ["image/jpeg"] * 2 + ["image/png"]
    assert plain.data != signed.data
    for answer in (numbers, plain, signed, heat):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    pixels = np.asarray(Image.open(io.BytesIO(heat.data)))
    assert pixels.shape == (300, 451, 4)
    assert (pixels[:, :100, 3] == 0).all(), "the model has not seen this part"


def test_a_map_is_drawn_by_the_scale_and_the_preset_that_were_asked_for(client, settings, cat):
    drawn = {}
    for name, asked in {
        "image": {},
        "fixed": {"normalize": 0.25},
        "classic": {"preset": "classic"},
    }.items():
        here = f"/v1/explanations/{post(client, cat, **asked).json['id']}/overlay"
        finish_one(settings)
        drawn[name] = client.get(here).data
        drawn[name, "query"] = client.get(f"{here}?normalize=0.25").data
    assert len({drawn["image"], drawn["fixed"], drawn["classic"]}) == 3
    assert {drawn[name, "query"] for name in ("image", "fixed", "classic")} == {drawn["fixed"]}
    photo = codecs.decode(cat, max_pixels=1_000_000)
    covers = Rectangle(x=100, y=0, width=300, height=300)
    assert drawn["classic"] == codecs.encode_jpeg(classic_overlay(photo, MAP[0], rectangle=covers))


@pytest.mark.parametrize(
    "query",
    [
        "normalize=0",
        "normalize=inf",
        "alpha=nan",
        "alpha=2",
        "polarity=up",
        "colour=red",
        "colormap=pink",
        "target=cta",
        "target=281",
        "map=1",
        "map=-1",
        "map=0&target=282",
    ],
)
def test_a_drawing_that_cannot_be_made_is_refused(client, settings, cat, query):
    job_id = post(client, cat).json["id"]
    finish_one(settings)
    answer = client.get(f"/v1/explanations/{job_id}/overlay?{query}")
    assert refused(answer, 422, "unknown_class" if "cta" in query else "invalid_request")


def test_unknown_paths_and_methods_are_problems_too(client):
    refused(client.get("/v1/nothing"), 404, "not_found")
    answer = client.delete("/v1/models")
    refused(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


def test_the_catalogue_is_shown(client):
    listed = client.get("/v1/models").json
    assert listed["default"] == MODEL
    assert {model["name"] for model in listed["models"]} >= {"vgg16", MODEL}
    one = client.get(f"/v1/models/{MODEL}").json
    assert one["classes"] == 1000
    assert [method["name"] for method in one["methods"]] == list(METHODS)
    assert one["methods"][0] == {
        "name": "gradcam",
        "forward_passes": METHOD_INFO["gradcam"].forward_passes,
        "linear": True,
        "has_layer": True,
        "fuses": True,
        "paper": "arXiv:1610.02391",
    }
    assert one["layers"][-1] == "top_relu"
    refused(client.get("/v1/models/none"), 404, "unknown_model")


def test_alive_and_ready(client):
    assert client.get("/healthz").json == {"status": "ok"}
    assert client.get("/readyz").json["checks"] == {"ledger": "ok", "store": "ok"}


def test_with_redis_away_nothing_is_promised(settings, cat, tmp_path, unused_port):
    away = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{unused_port}/0"})
    client = create_api(away).flask.test_client()
    for headers in ({}, {"Idempotency-Key": "k"}):
        answer = post(client, cat, headers=headers)
        refused(answer, 503, "ledger_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert not any(key.startswith("jobs/") for key in stored(settings)), "no promise in writing"
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_with_the_store_away_nothing_is_promised(settings, cat, unused_port):
    away = settings.model_copy(
        update={
            "store_url": "s3://nowhere",
            "s3_endpoint": f"http://127.0.0.1:{unused_port}",
            "s3_access_key_id": "a",
            "s3_secret_access_key": SecretStr("b"),
        }
    )
    client = create_api(away).flask.test_client()
    answer = post(client, cat)
    refused(answer, 503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert open_ledger(settings).counts().accepted == 0
    assert client.get("/readyz").json["checks"] == {"ledger": "ok", "store": "store_unavailable"}


def test_a_retry_after_a_failing_store_is_accepted_at_once(settings, cat, tmp_path):
    """The failed request must not keep its key busy."""
    objects, aside = tmp_path / "objects", tmp_path / "aside"
    client = create_api(settings).flask.test_client()
    headers = {"Idempotency-Key": "k"}
    objects.rename(aside)
    objects.touch()
    refused(post(client, cat, headers=headers), 503, "store_unavailable")
    objects.unlink()
    aside.rename(objects)
    assert post(client, cat, headers=headers).status_code == 202
    assert open_ledger(settings).counts().accepted == 1


def test_a_reply_lost_after_the_ledger_took_the_job_leaves_the_job_its_manifest(
    settings, api, cat, monkeypatch
):
    """The first answer is 503; the retry is promised the same job, which must be durable."""
    submit = RedisLedger.submit

    def deaf(ledger, submission):
        submit(ledger, submission)
        raise LedgerUnavailable("the reply was lost")

    client, headers = api.flask.test_client(), {"Idempotency-Key": "k"}
    monkeypatch.setattr(RedisLedger, "submit", deaf)
    refused(post(client, cat, headers=headers), 503, "ledger_unavailable")
    monkeypatch.undo()
    answer = post(client, cat, headers=headers)
    assert answer.status_code == 202
    assert manifest_key(answer.json["id"]) in stored(settings)


def test_a_lost_ring_is_not_a_lost_job(settings, api, cat, valkey):
    """The broker refuses the hint (the list key holds another type); the sweep rings again."""
    lane = lanes_of(MODEL)[0]
    with valkey.client() as redis:
        job_id = post(api.flask.test_client(), cat).json["id"]
        redis.delete(wakeup_queue(lane))
        redis.zadd("seewhy:due", {job_id: 0})
        api.sweeper.sweep()
        assert redis.llen(wakeup_queue(lane)) == 1
    assert open_ledger(settings).read(job_id).state is JobState.QUEUED
