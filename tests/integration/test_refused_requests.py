"""Requests that the API refuses without storing anything."""

import base64
import io
import zlib
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from http_api import assert_problem, stored_keys, submit_image
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import Settings


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"max_upload_bytes": 200_000}


JSON = "application/json"


def png_with_size(width: int, height: int) -> bytes:
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


BAD_IMAGES = {
    "empty": (b"", 422, "empty_image"),
    "text": (b"this is not an image", 415, "unsupported_image"),
    "html": (b"<html><script>alert(1)</script></html>", 415, "unsupported_image"),
    "a gif called jpg": (gif(), 415, "unsupported_image"),
    "a header claiming 50,000 x 50,000": (png_with_size(50_000, 50_000), 413, "image_too_large"),
    "a side of 70,000 pixels": (png_with_size(70_000, 10), 413, "image_too_large"),
    "25,000,000 x 1": (png_with_size(25_000_000, 1), 413, "image_too_large"),
    "too many bytes": (noise(), 413, "image_too_large"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_bad_image_is_refused_and_nothing_is_stored(
    client: FlaskClient, settings: Settings, name: str
) -> None:
    image, status, code = BAD_IMAGES[name]
    assert_problem(submit_image(client, image), status, code)
    assert stored_keys(settings) == []
    assert open_ledger(settings).counts().accepted == 0


@pytest.mark.parametrize("part", [0.01, 0.3, 0.7, 0.999])
def test_a_truncated_image_is_refused(
    client: FlaskClient, settings: Settings, cat: bytes, part: float
) -> None:
    response = submit_image(client, cat[: int(len(cat) * part)])
    assert_problem(response, 422, "broken_image")
    assert stored_keys(settings) == []


def test_a_body_over_the_limit_is_refused(client: FlaskClient, settings: Settings) -> None:
    assert_problem(submit_image(client, b"\xff\xd8\xff" + bytes(400_000)), 413, "image_too_large")
    assert stored_keys(settings) == []


BAD_REQUESTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown model": ({"model": "vgg61"}, "unknown_model", "vgg16"),
    "unknown method": ({"method": "gradcan"}, "unknown_method", "gradcam"),
    "unknown class": ({"targets": ["tiger cta"]}, "unknown_class", "tiger cat"),
    "class out of range": ({"targets": [1000]}, "unknown_class", "999"),
    "negative class": ({"targets": [-1]}, "unknown_class", "999"),
    "unknown field": ({"modle": "vgg16"}, "invalid_request", "modle"),
    "too many targets": ({"targets": "top:21"}, "invalid_request", "targets"),
    "a deadline in the past": ({"deadline_s": -1}, "invalid_request", "deadline_s"),
    "a deadline that is not a number": (
        {"deadline_s": float("nan")},
        "invalid_request",
        "deadline_s",
    ),
    "a boolean as a class": ({"targets": [True]}, "invalid_request", "targets"),
    "too much metadata": ({"metadata": {"x": "y" * 5000}}, "invalid_request", "4096"),
    "unknown fallback": ({"fallback": ["hirescan"]}, "unknown_method", "hirescam"),
    "a repeated fallback": ({"fallback": ["gradcam"]}, "invalid_request", "repeats a method"),
    "too many forward passes": (
        {"targets": "top:20", "method": "integrated-gradients", "fallback": ["smoothgrad"]},
        "too_many_passes",
        "3,120 forward passes; the limit is 1,000",
    ),
    "unknown score": ({"score": "margin"}, "invalid_request", "score"),
    "unknown preset": ({"preset": "modern"}, "invalid_request", "preset"),
    "a preset and a method": (
        {"preset": "classic", "method": "gradcam"},
        "invalid_request",
        "fixes method",
    ),
    "the preset's own method": ({"method": "classic"}, "unknown_method", "gradcam"),
    "a scale of zero": ({"normalize": 0}, "invalid_request", "normalize"),
    "a scale that is not a number": ({"normalize": float("nan")}, "invalid_request", "normalize"),
    "a threshold of the whole maximum": ({"threshold": 1}, "invalid_request", "threshold"),
    "a threshold in quotes": ({"threshold": "0.3"}, "invalid_request", "threshold"),
    "a percentile of 100": ({"threshold": "p100"}, "invalid_request", "threshold"),
    "a boolean as a scale": ({"normalize": True}, "invalid_request", "normalize"),
    "a contrast without rivals": ({"targets": {"why": 1, "not": []}}, "invalid_request", "not"),
    "a contrast without why": ({"targets": {"not": [1]}}, "invalid_request", "why"),
    "a contrast with itself": (
        {"targets": {"why": 282, "not": ["tiger cat"]}},
        "invalid_request",
        "more than once",
    ),
    "an unknown rival": ({"targets": {"why": 1, "not": ["cta"]}}, "unknown_class", "cta"),
    "a contrast with a method that chooses rivals": (
        {"targets": {"why": 1, "not": [2]}, "method": "finercam"},
        "invalid_request",
        "chooses the rivals",
    ),
    "a contrast with a class-independent method": (
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
def test_a_bad_request_is_refused_with_a_reason_and_nothing_is_stored(
    client: FlaskClient, settings: Settings, cat: bytes, name: str
) -> None:
    fields, code, reason = BAD_REQUESTS[name]
    assert reason in assert_problem(submit_image(client, cat, **fields), 422, code)
    assert stored_keys(settings) == []


def test_malformed_requests_are_refused(client: FlaskClient, cat: bytes) -> None:
    url = "/v1/explanations"
    assert_problem(client.post(url, data="{", content_type=JSON), 400, "invalid_request")
    assert_problem(client.post(url, data=b"\xff\xfe", content_type=JSON), 400, "invalid_request")
    assert_problem(client.post(url, data="[" * 10_000, content_type=JSON), 400, "invalid_request")
    assert_problem(client.post(url, json=[]), 422, "invalid_request")
    assert_problem(client.post(url, json={}), 422, "invalid_request")
    assert_problem(client.post(url, json={"image_base64": "?"}), 422, "invalid_request")
    assert_problem(client.post(url, data=cat, content_type="image/jpeg"), 422, "invalid_request")
    assert_problem(client.post(url, data={"photo": (io.BytesIO(cat), "a")}), 422, "invalid_request")
    assert_problem(client.post(url, data={"image": "text"}), 422, "invalid_request")
    two = {"image": [(io.BytesIO(cat), "a"), (io.BytesIO(cat), "b")]}
    assert_problem(client.post(url, data=two), 422, "invalid_request")
    assert_problem(
        submit_image(client, cat, headers={"Prefer": "wait=soon"}), 422, "invalid_request"
    )
    assert_problem(
        submit_image(client, cat, headers={"Idempotency-Key": "k" * 256}), 422, "invalid_request"
    )


def test_json_beyond_its_limits_is_refused_in_every_form(client: FlaskClient, cat: bytes) -> None:
    large = {"metadata": {"x": "y" * 70_000}}
    many = {f"x{n}": n for n in range(3_000)}
    image = base64.b64encode(cat).decode()
    for fields in (large, many):
        assert_problem(submit_image(client, cat, **fields), 413, "request_too_large")
        body = {"image_base64": image, **fields}
        response = client.post("/v1/explanations", json=body)
        assert_problem(response, 413, "request_too_large")
    parts = {"image": (io.BytesIO(cat), "a"), **{f"x{n}": "y" for n in range(10)}}
    response = client.post("/v1/explanations", data=parts)
    assert_problem(response, 413, "request_too_large")


def test_an_answer_does_not_grow_with_the_mistakes_of_a_request(client: FlaskClient) -> None:
    fields = {"x" * 500 + str(n): n for n in range(100)}
    response = client.post("/v1/explanations", json={"image_base64": "AAAA", **fields})
    detail = assert_problem(response, 422, "invalid_request")
    problem = response.get_json()
    assert len(problem["errors"]) == 20
    assert all(len(text) <= 200 for mistake in problem["errors"] for text in mistake.values())
    assert len(detail) <= 1_000
    for name in ("model", "method", "layer"):
        response = client.post("/v1/explanations", json={"image_base64": "AAAA", name: "x" * 9_000})
        assert "x" * 201 not in assert_problem(response, 422, f"unknown_{name}")


def test_values_that_no_field_can_hold_are_refused_with_their_field(client: FlaskClient) -> None:
    for number in ("NaN", "Infinity", "1e999"):
        body = f'{{"image_base64": "AAAA", "metadata": {{"a": {number}}}}}'
        response = client.post("/v1/explanations", data=body, content_type=JSON)
        detail = assert_problem(response, 422, "invalid_request")
        assert detail == "metadata.a: must be a finite number"


def test_a_query_parameter_that_is_named_twice_is_refused(client: FlaskClient, cat: bytes) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    for path in ("", "/overlay", "/events"):
        refused = client.get(f"/v1/explanations/{job_id}{path}?wait=1&wait=2")
        detail = assert_problem(refused, 422, "invalid_request")
        assert detail == "The query names 'wait' more than once."


def test_unknown_paths_and_methods_are_problem_responses(client: FlaskClient) -> None:
    assert_problem(client.get("/v1/nothing"), 404, "not_found")
    response = client.delete("/v1/models")
    assert_problem(response, 405, "method_not_allowed")
    assert "GET" in response.headers["Allow"]
