"""Batches sent as zip archives, over HTTP."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from bad_inputs.case import MULTIPART, form, part
from batch_requests import results_of
from http_api import assert_problem, finish_next_job
from images import ENCODED
from seewhy.settings import Settings
from seewhy_api.app import Api
from zip_archives import archive_of, bomb, encrypted, symbolic_link

PNG = ENCODED["PNG"]


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"cache_ttl_s": 0, "batch_max_items": 250, "batch_max_bytes": 1_000_000}


def submit_archive(client: FlaskClient, archive: bytes, *, key: str = "", **fields: Any) -> Any:
    request = [part("request", json.dumps(fields).encode(), kind="application/json")]
    return send_form(client, archive_part(archive), *(request if fields else []), key=key)


def send_form(client: FlaskClient, *parts: bytes, key: str = "") -> Any:
    return client.post(
        "/v1/batches",
        data=form(*parts),
        content_type=MULTIPART,
        headers={"Idempotency-Key": key} if key else {},
    )


def archive_part(archive: bytes) -> bytes:
    return part("archive", archive, file="photos.zip", kind="application/zip")


def test_the_images_of_an_archive_become_items_under_their_paths(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    archive = archive_of([("a/cat.jpg", cat), ("__MACOSX/a/._cat.jpg", b"x"), ("b.png", PNG)])
    response = submit_archive(client, archive, outputs=[], metadata={"n": 1})
    assert response.status_code == 202
    batch = response.get_json()
    assert (batch["status"], batch["counts"]["waiting"], batch["refused"]) == ("accepting", 2, [])
    api.acceptor.accept_batches()
    finish_next_job(settings)
    finish_next_job(settings)
    lines = results_of(client, batch["id"])
    assert [(line["key"], line["status"]) for line in lines] == [
        ("a/cat.jpg", "succeeded"),
        ("b.png", "succeeded"),
    ]
    assert [line["metadata"] for line in lines] == [{"n": 1}] * 2
    assert {line["priority"] for line in lines} == {"batch"}


def test_an_archive_of_many_reads_is_received_whatever_its_bytes(client: FlaskClient) -> None:
    """A line break near the end of a read is kept until the next: it may begin a boundary."""
    response = submit_archive(client, archive_of([("lines.txt", b"\r\n" * 300_000)]))
    assert response.status_code == 202, response.get_data(as_text=True)
    assert response.get_json()["refused"][0]["code"] == "unsupported_image"


def test_what_is_no_image_is_refused_without_the_others(
    api: Api, client: FlaskClient, cat: bytes
) -> None:
    archive = archive_of(
        [
            ("cat.jpg", cat),
            ("labels.csv", b"a,b"),
            ("inner.zip", archive_of([("cat.jpg", cat)])),
            ("empty.jpg", b""),
            (symbolic_link("link.jpg"), b"cat.jpg"),
            ("cat.jpg", cat),
        ]
    )
    batch = submit_archive(client, archive).get_json()
    assert [(each["index"], each["key"], each["code"]) for each in batch["refused"]] == [
        (1, "labels.csv", "unsupported_image"),
        (2, "inner.zip", "unsupported_image"),
        (3, "empty.jpg", "empty_image"),
        (4, "link.jpg", "invalid_request"),
        (5, "cat.jpg", "invalid_request"),
    ]
    assert batch["counts"]["waiting"] == 1


def test_a_key_accepts_the_same_archive_once_in_any_form(client: FlaskClient, cat: bytes) -> None:
    archive = archive_of([("cat.jpg", cat)])
    first = submit_archive(client, archive, key="k", outputs=[])
    parts = [part("request", b'{"outputs":[]}'), archive_part(archive)]
    again = send_form(client, *parts, key="k")
    assert again.get_json()["id"] == first.get_json()["id"]
    other = submit_archive(client, archive, key="k")
    assert_problem(other, 422, "idempotency_key_reused")
    other = submit_archive(client, archive_of([("dog.jpg", cat)]), key="k", outputs=[])
    assert_problem(other, 422, "idempotency_key_reused")


def test_a_form_without_a_usable_archive_is_refused(client: FlaskClient, cat: bytes) -> None:
    archive = archive_part(archive_of([("cat.jpg", cat)]))
    bodies: tuple[tuple[bytes, ...], ...] = (
        (),
        (part("archive", b"text"),),
        (archive, archive),
        (archive, part("image", cat, file="cat.jpg")),
        (archive, part("request", b"{}"), part("request", b"{}")),
        (archive, part("request", b"[]")),
        (archive, part("request", b'{"priority": "interactive"}')),
        (archive, part("request", b'{"surprise": 1}')),
        (archive_part(b"no archive"),),
    )
    for parts in bodies:
        assert_problem(send_form(client, *parts), 422, "invalid_request")
    response = client.post("/v1/batches?request={}", data=form(archive), content_type=MULTIPART)
    assert "part of the form" in assert_problem(response, 422, "invalid_request")


def test_an_archive_beyond_a_limit_is_refused_as_a_whole(client: FlaskClient) -> None:
    many = archive_of([(f"{n}.jpg", b"") for n in range(251)])
    assert "250 items" in assert_problem(submit_archive(client, many), 413, "batch_too_large")
    files = [(f"{n}.png", bytes(300_000)) for n in range(4)]
    large = archive_of(files, compression=8)
    assert "unpacked" in assert_problem(submit_archive(client, large), 413, "batch_too_large")
    assert_problem(submit_archive(client, archive_of(files)), 413, "image_too_large")


def test_a_bomb_and_an_encrypted_archive_give_refused_items(
    client: FlaskClient, cat: bytes
) -> None:
    bombed = submit_archive(client, bomb(900_000)).get_json()
    assert bombed["refused"][0]["code"] == "unsupported_image", "small enough to unpack"
    sealed = submit_archive(client, encrypted(archive_of([("cat.jpg", cat)]))).get_json()
    assert "encrypted" in sealed["refused"][0]["detail"]
