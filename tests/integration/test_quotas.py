"""Quotas of API keys over HTTP."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from http_api import assert_problem, finish_next_job, stored_keys, submit_image
from seewhy.access.api_key import ApiKey
from seewhy.access.key_store import KeyStore
from seewhy.access.records import QuotaOverrides, Scope
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store

ITEM = re.compile(r'"([a-z-]+)"((?:;[a-z]+=(?:\d+|"[a-z-]+"))+)')


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"key_submissions_per_minute": 3, "key_passes_per_minute": 20, "key_open_jobs": 50}


Create = Callable[..., ApiKey]


@pytest.fixture
def create(settings: Settings) -> Create:
    """Create a key of tenant `a`. Its quotas are those of the settings, unless others are given."""
    store = KeyStore(open_store(settings))
    return lambda **quota: store.create(tenant="a", scopes=Scope, quota=QuotaOverrides(**quota))[0]


def fields(header: str) -> dict[str, dict[str, str]]:
    """Parse a list of RFC 9651 of the form that both header fields have."""
    items = [ITEM.fullmatch(item) for item in header.split(", ")]
    assert all(items), header
    return {
        item[1]: dict(part.split("=") for part in item[2].split(";")[1:]) for item in items if item
    }


def submit(client: FlaskClient, image: bytes, key: ApiKey, **options: Any) -> TestResponse:
    headers = {"Authorization": f"Bearer {key.text}"} | options.pop("headers", {})
    return submit_image(client, image, headers=headers, **options)


def test_a_submission_tells_the_quotas_and_what_is_left(
    client: FlaskClient, cat: bytes, create: Create
) -> None:
    response = submit(client, cat, create(submissions_per_minute=5), method="ablationcam")
    assert fields(response.headers["RateLimit-Policy"]) == {
        "submissions": {"q": "5", "w": "60"},
        "forward-passes": {"q": "20", "w": "60", "qu": '"forward-passes"'},
    }
    left = fields(response.headers["RateLimit"])
    assert {name: item["r"] for name, item in left.items()} == {
        "submissions": "4",
        "forward-passes": "14",
    }
    assert all(60 < int(item["t"]) <= 70 for item in left.values())


def test_submissions_beyond_the_quota_are_refused_with_429_and_nothing_is_stored(
    client: FlaskClient, cat: bytes, create: Create, settings: Settings
) -> None:
    key, other_key = create(), create()
    for number in range(3):
        assert submit(client, cat, key, metadata={"n": number}).status_code == 202
    stored = stored_keys(settings)
    response = submit(client, cat, key, metadata={"n": 3})
    assert "submissions" in assert_problem(response, 429, "quota_exceeded")
    retry_after_s = response.headers["Retry-After"]
    assert 60 <= int(retry_after_s) <= 70
    assert fields(response.headers["RateLimit"]) == {"submissions": {"r": "0", "t": retry_after_s}}
    assert "RateLimit-Policy" in response.headers
    assert stored_keys(settings) == stored
    assert submit(client, cat, other_key, metadata={"n": 3}).status_code == 202


def test_a_request_that_needs_more_passes_than_are_left_is_refused_and_a_cheaper_one_is_not(
    client: FlaskClient, cat: bytes, create: Create
) -> None:
    key = create(submissions_per_minute=100)
    assert submit(client, cat, key, method="faster-scorecam").status_code == 202  # 11 passes
    response = submit(client, cat, key, method="faster-scorecam", targets="top:2")
    assert_problem(response, 429, "quota_exceeded")
    assert fields(response.headers["RateLimit"])["forward-passes"]["r"] == "9"
    left = fields(submit(client, cat, key, method="gradcam").headers["RateLimit"])
    assert (left["forward-passes"]["r"], left["submissions"]["r"]) == ("8", "98")


def test_a_request_that_would_never_fit_is_422(
    client: FlaskClient, cat: bytes, create: Create
) -> None:
    response = submit(client, cat, create(), method="smoothgrad")
    assert "the limit is 20" in assert_problem(response, 422, "too_many_passes")


def test_a_repeated_idempotency_key_and_a_cached_result_take_no_passes(
    client: FlaskClient, cat: bytes, create: Create, settings: Settings
) -> None:
    key, headers = create(), {"Idempotency-Key": "k"}
    first = submit(client, cat, key, headers=headers)
    again = submit(client, cat, key, headers=headers)
    assert again.get_json()["id"] == first.get_json()["id"]
    assert "RateLimit" not in again.headers
    finish_next_job(settings)
    cached = submit(client, cat, key)
    assert cached.get_json()["cached"]
    left = fields(cached.headers["RateLimit"])
    assert (left["submissions"]["r"], left["forward-passes"]["r"]) == ("1", "19")


def test_a_key_at_its_limit_of_open_jobs_may_submit_again_when_one_ends(
    client: FlaskClient, cat: bytes, create: Create
) -> None:
    key = create(open_jobs=1)
    job_id = submit(client, cat, key).get_json()["id"]
    response = submit(client, cat, key, metadata={"n": 1})
    assert "unfinished" in assert_problem(response, 429, "quota_exceeded")
    assert int(response.headers["Retry-After"]) == 60, "no job finished in the last minute"
    assert "RateLimit" not in response.headers
    client.post(
        f"/v1/explanations/{job_id}/cancel", headers={"Authorization": f"Bearer {key.text}"}
    )
    assert submit(client, cat, key, metadata={"n": 1}).status_code == 202


def test_a_refused_request_leaves_its_idempotency_key_free(
    client: FlaskClient, cat: bytes, create: Create
) -> None:
    key = create(open_jobs=1)
    job_id = submit(client, cat, key).get_json()["id"]
    headers = {"Idempotency-Key": "k"}
    assert submit(client, cat, key, headers=headers, metadata={}).status_code == 429
    client.post(
        f"/v1/explanations/{job_id}/cancel", headers={"Authorization": f"Bearer {key.text}"}
    )
    assert submit(client, cat, key, headers=headers, metadata={}).status_code == 202


def send_image(client: FlaskClient, image: bytes, key: ApiKey | None = None) -> TestResponse:
    headers = {"Authorization": f"Bearer {key.text}"} if key else {}
    form = {"image": (io.BytesIO(image), "a.jpg")}
    return client.post("/v1/images", data=form, headers=headers)


def test_images_that_are_sent_alone_have_quotas_of_their_own(
    client: FlaskClient, cat: bytes, create: Create, settings: Settings
) -> None:
    key = create(uploads_per_minute=2, uploaded_bytes_per_minute=3 * len(cat))
    response = send_image(client, cat, key)
    assert fields(response.headers["RateLimit-Policy"]) == {
        "uploads": {"q": "2", "w": "60"},
        "uploaded-bytes": {"q": str(3 * len(cat)), "w": "60", "qu": '"content-bytes"'},
    }
    left = fields(response.headers["RateLimit"])
    assert {name: item["r"] for name, item in left.items()} == {
        "uploads": "1",
        "uploaded-bytes": str(2 * len(cat)),
    }
    assert send_image(client, b"no image", key).status_code == 415
    image_id = response.get_json()["image_id"]
    headers = {"Authorization": f"Bearer {key.text}"}
    renewed = client.post("/v1/images", json={"image_id": image_id}, headers=headers)
    assert fields(renewed.headers["RateLimit"])["uploads"]["r"] == "0"
    stored = stored_keys(settings)
    refused = send_image(client, cat + b" ", key)
    assert "uploads of this minute" in assert_problem(refused, 429, "quota_exceeded")
    assert fields(refused.headers["RateLimit"])["uploads"]["t"] == refused.headers["Retry-After"]
    assert "uploads" in fields(refused.headers["RateLimit-Policy"])
    assert stored_keys(settings) == stored
    assert submit(client, cat, key).status_code == 202, "submissions are counted apart"


def test_bytes_beyond_the_quota_are_refused(
    client: FlaskClient, cat: bytes, create: Create
) -> None:
    key, small = (create(uploaded_bytes_per_minute=len(cat) + n) for n in (0, -1))
    assert send_image(client, cat, key).status_code == 201
    detail = assert_problem(send_image(client, cat, key), 429, "quota_exceeded")
    assert "not enough bytes" in detail
    assert_problem(send_image(client, cat, small), 413, "image_too_large")


def test_without_keys_there_are_no_quotas(client: FlaskClient, cat: bytes) -> None:
    for number in range(5):
        response = submit_image(client, cat, metadata={"n": number})
        assert response.status_code == 202
    assert not {"RateLimit", "RateLimit-Policy"} & dict(response.headers).keys()


def test_other_routes_have_no_quota(client: FlaskClient, create: Create) -> None:
    key = create()
    for _ in range(10):
        response = client.get("/v1/models", headers={"Authorization": f"Bearer {key.text}"})
        assert response.status_code == 200
    assert "RateLimit-Policy" not in response.headers


def test_a_job_remembers_its_key(
    client: FlaskClient, cat: bytes, create: Create, settings: Settings, tmp_path: Path
) -> None:
    key = create()
    record = open_ledger(settings).read(submit(client, cat, key).get_json()["id"])
    assert record is not None
    assert (record.context.tenant, record.context.key_id) == ("a", key.key_id)
    stored = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert stored
    assert not any(key.secret.encode() in content for content in stored)
