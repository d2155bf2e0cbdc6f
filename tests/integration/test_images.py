"""Images that are sent once and explained often."""

import base64
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from http_api import assert_problem, finish_next_job, stored_keys, submit_image
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from servers.valkey import RedisServer

GATEWAY = {"tenant_header": "X-Tenant", "trusted_proxies": "127.0.0.0/8"}
OWNER, STRANGER = {"X-Tenant": "a"}, {"X-Tenant": "A"}


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    """Two tenants, whose names a file system may confuse."""
    return GATEWAY


def send_image(
    client: FlaskClient, image: bytes, *, headers: Mapping[str, str] = OWNER
) -> TestResponse:
    form = {"image": (io.BytesIO(image), "a.jpg")}
    return client.post("/v1/images", data=form, headers=headers)


def explain(client: FlaskClient, headers: Mapping[str, str] = OWNER, **body: Any) -> TestResponse:
    return client.post("/v1/explanations", json=body, headers=headers)


def test_an_image_is_sent_once_and_explained_by_its_id(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    response = send_image(client, cat)
    assert response.status_code == 201
    image_id = hashlib.sha256(cat).hexdigest()
    expected = {"image_id": image_id, "media_type": "image/jpeg", "width_px": 451, "height_px": 300}
    assert response.get_json() == expected
    (key,) = stored_keys(settings)
    assert open_store(settings).get(key) == cat

    explanation = explain(client, image_id=image_id)
    assert explanation.status_code == 202
    assert explanation.get_json()["image_id"] == image_id
    finish_next_job(settings)
    assert (
        client.get(f"{explanation.headers['Location']}/overlay", headers=OWNER).status_code == 200
    )


def test_each_way_of_sending_an_image_gives_the_same_id_and_result(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    encoded = base64.b64encode(cat).decode()
    image_id = client.post("/v1/images", json={"image_base64": encoded}, headers=OWNER).get_json()[
        "image_id"
    ]
    first = submit_image(client, cat, headers=OWNER)
    finish_next_job(settings)
    again = [
        submit_image(client, cat, headers=OWNER),
        explain(client, image_base64=encoded),
        explain(client, image_id=image_id),
    ]
    assert {response.get_json()["image_id"] for response in (first, *again)} == {image_id}
    assert [(r.status_code, r.get_json()["cached"]) for r in again] == [(200, True)] * 3
    assert len({str(r.get_json()["result"]) for r in again}) == 1


def test_an_idempotency_key_covers_the_image_however_it_is_sent(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    headers = OWNER | {"Idempotency-Key": "order 1"}
    first = submit_image(client, cat, headers=headers).get_json()["id"]
    image_id = hashlib.sha256(cat).hexdigest()
    assert explain(client, headers, image_id=image_id).get_json()["id"] == first
    assert_problem(explain(client, headers, image_id="0" * 64), 422, "idempotency_key_reused")


def test_a_retry_needs_the_image_no_more(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    image_id = send_image(client, cat).get_json()["image_id"]
    headers = OWNER | {"Idempotency-Key": "order 1"}
    first = explain(client, headers, image_id=image_id).get_json()["id"]
    for key in list(open_store(settings).list_keys("images/")):
        open_store(settings).delete(key)
    assert explain(client, headers, image_id=image_id).get_json()["id"] == first


def test_a_refused_image_leaves_the_idempotency_key_free(client: FlaskClient, cat: bytes) -> None:
    headers = OWNER | {"Idempotency-Key": "order 1"}
    image_id = hashlib.sha256(cat).hexdigest()
    assert_problem(explain(client, headers, image_id=image_id), 422, "unknown_image")
    assert_problem(submit_image(client, b"text", headers=headers), 415, "unsupported_image")
    send_image(client, cat)
    assert explain(client, headers, image_id=image_id).status_code == 202


def test_an_image_of_another_tenant_is_as_unknown_as_one_that_nobody_sent(
    client: FlaskClient, cat: bytes
) -> None:
    image_id = send_image(client, cat).get_json()["image_id"]
    submit_image(client, cat, headers=OWNER)
    stranger = STRANGER | {"X-Request-ID": "1"}
    answers = [
        (response.status_code, response.data, dict(response.headers))
        for sent in (image_id, "0" * 64)
        for response in (
            explain(client, stranger, image_id=sent),
            client.post("/v1/images", json={"image_id": sent}, headers=stranger),
        )
    ]
    assert answers[:2] == answers[2:]
    assert answers[0][0] == 422
    assert b"unknown_image" in answers[0][1]
    assert send_image(client, cat, headers=STRANGER).get_json()["image_id"] == image_id
    assert explain(client, STRANGER, image_id=image_id).status_code == 202


def test_images_survive_a_loss_of_redis(
    client: FlaskClient, settings: Settings, cat: bytes, valkey: RedisServer
) -> None:
    image_id = send_image(client, cat).get_json()["image_id"]
    with valkey.client() as redis:
        redis.flushdb()
    assert explain(client, image_id=image_id).status_code == 202
    assert open_ledger(settings).counts().accepted == 1


def test_an_explanation_renews_its_image(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    image_id = send_image(client, cat).get_json()["image_id"]
    (key,) = stored_keys(settings)
    path = Path(settings.store_url.removeprefix("file://")) / key
    inode = path.stat().st_ino
    explain(client, image_id=image_id)
    assert path.stat().st_ino != inode, "the image was not written again"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"image_id": "0" * 64, "image_base64": "AAAA"}, "invalid_request"),
        ({"image_id": None}, "invalid_request"),
        ({"image_id": 7}, "invalid_request"),
        ({"image_id": ""}, "invalid_request"),
        ({"image_id": "../" + "0" * 61}, "invalid_request"),
        ({"image_id": "A" * 64}, "invalid_request"),
        ({"image_id": "0" * 64 + "\n"}, "invalid_request"),
        ({"image_id": "0" * 64}, "unknown_image"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/explanations", "/v1/images"])
def test_an_image_that_is_not_named_properly_is_refused(
    client: FlaskClient, path: str, body: Mapping[str, Any], code: str
) -> None:
    assert_problem(client.post(path, json=body, headers=OWNER), 422, code)


def test_an_image_is_sent_without_a_request(client: FlaskClient, cat: bytes) -> None:
    encoded = base64.b64encode(cat).decode()
    body = {"image_base64": encoded, "model": "vgg16"}
    assert_problem(client.post("/v1/images", json=body, headers=OWNER), 422, "invalid_request")
    form = {"image": (io.BytesIO(cat), "a.jpg"), "request": "{}"}
    assert_problem(client.post("/v1/images", data=form, headers=OWNER), 422, "invalid_request")
    assert_problem(send_image(client, b"text"), 415, "unsupported_image")
