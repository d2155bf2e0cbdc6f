"""Explanations of images at URLs, over HTTP: from web servers and from S3 buckets."""

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from http_api import MODEL, assert_problem, finish_next_job, stored_keys, submit_image
from seewhy.embedded.tcp_ports import free_port
from seewhy.errors import ImageTooLarge, SettingsError
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import Settings, load
from seewhy.storage.image_buckets import ImageBuckets
from seewhy_api.app import Api, create_api
from servers.receivers import Receiver, answer, hang, in_turn, receiving
from servers.s3 import S3Server
from servers.valkey import RedisServer


def image_answer(image: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(image), image)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def settings_overrides(port: int) -> dict[str, Any]:
    """Image URLs of one server on this machine, two at once."""
    return {
        "image_url_hosts": f"localhost:{port}",
        "image_url_networks": "127.0.0.0/8, ::1/128",
        "image_url_downloads": 2,
        "image_url_timeout_s": 19.0,
    }


@pytest.fixture
def server(port: int, cat: bytes) -> Iterator[Receiver]:
    with receiving(answer(image_answer(cat)), port=port) as receiver:
        yield receiver


@pytest.fixture
def url(port: int) -> str:
    return f"http://localhost:{port}/cat.jpg"


def explain(client: FlaskClient, image_url: str, *, key: str = "", **fields: Any) -> TestResponse:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/v1/explanations", json={"image_url": image_url, **fields}, headers=headers)


def test_the_five_ways_of_sending_an_image_give_the_same_id_and_result(
    client: FlaskClient, settings: Settings, server: Receiver, url: str, cat: bytes
) -> None:
    first = explain(client, url)
    assert first.status_code == 202
    finish_next_job(settings)
    image_id = hashlib.sha256(cat).hexdigest()
    sent = client.post("/v1/images", json={"image_url": url})
    assert sent.get_json()["image_id"] == image_id
    encoded = base64.b64encode(cat).decode()
    again = [
        submit_image(client, cat),
        client.post("/v1/explanations", json={"image_base64": encoded}),
        client.post("/v1/explanations", json={"image_id": image_id}),
        explain(client, url),
    ]
    assert {response.get_json()["image_id"] for response in (first, *again)} == {image_id}
    assert [(r.status_code, r.get_json()["cached"]) for r in again] == [(200, True)] * 4
    assert len({str(response.get_json()["result"]) for response in again}) == 1
    assert len([key for key in stored_keys(settings) if key.startswith("images/")]) == 1


def test_a_retry_returns_the_same_job_when_the_url_has_something_else_by_then(
    client: FlaskClient, settings: Settings, port: int, url: str, cat: bytes
) -> None:
    gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with receiving(in_turn(answer(image_answer(cat)), answer(gone)), port=port) as server:
        first = explain(client, url, key="order 1")
        again = explain(client, url, key="order 1")
        assert again.get_json()["id"] == first.get_json()["id"]
        assert_problem(explain(client, f"{url}?2", key="order 1"), 422, "idempotency_key_reused")
        assert len(server.heads) == 1
        detail = assert_problem(explain(client, url, key="order 2"), 422, "image_unreachable")
    assert detail == "The server of image_url answered 404."
    assert open_ledger(settings).counts().accepted == 1


def test_a_failed_download_leaves_nothing_behind_and_can_be_repeated(
    client: FlaskClient, settings: Settings, port: int, url: str, cat: bytes
) -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 6\r\n\r\n<html>"
    with receiving(in_turn(answer(text), answer(image_answer(cat))), port=port):
        assert_problem(explain(client, url, key="order 1"), 415, "unsupported_image")
        assert stored_keys(settings) == []
        assert explain(client, url, key="order 1").status_code == 202


def test_a_refused_request_downloads_nothing(
    client: FlaskClient, server: Receiver, url: str
) -> None:
    assert_problem(explain(client, url, model="none"), 422, "unknown_model")
    assert_problem(explain(client, url, targets=["none"]), 422, "unknown_class")
    both = {"image_url": url, "image_id": "0" * 64}
    assert_problem(client.post("/v1/explanations", json=both), 422, "invalid_request")
    assert_problem(explain(client, "http://other.example/"), 422, "image_url_refused")
    assert server.heads == []


@pytest.mark.parametrize("fields", [{"tenant_queue_limit": 1}])
def test_a_full_queue_downloads_nothing(
    valkey: RedisServer,
    tmp_path: Path,
    settings_overrides: dict[str, Any],
    server: Receiver,
    url: str,
    cat: bytes,
    fields: dict[str, Any],
) -> None:
    with valkey.client() as redis:
        redis.flushdb()
    settings = load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{tmp_path}/objects",
        default_model=MODEL,
        **settings_overrides,
        **fields,
    )
    client = create_api(settings).flask.test_client()
    assert submit_image(client, cat, cache=False).status_code == 202
    assert_problem(explain(client, url), 429, "tenant_queue_full")
    assert server.heads == []


def test_slow_servers_take_no_more_threads_than_the_limit(
    client: FlaskClient, settings: Settings, port: int, url: str, cat: bytes
) -> None:
    """One tenant may hold one of the two slots; further requests get 503 at once."""
    with receiving(hang, port=port) as server, ThreadPoolExecutor() as pool:
        waiting = pool.submit(explain, client, url)
        while not server.heads:
            assert not waiting.done()
        response = explain(client, url)
        assert_problem(response, 503, "too_many_downloads")
        assert response.headers["Retry-After"] == "5"
        assert submit_image(client, cat).status_code == 202
        server.stopped.set()
        assert_problem(waiting.result(timeout=60), 422, "image_unreachable")
    assert open_ledger(settings).counts().accepted == 1


def test_image_urls_are_off_unless_the_operator_allows_hosts(
    valkey: RedisServer, tmp_path: Path
) -> None:
    settings = load({}, redis_url=valkey.url, store_url=f"file://{tmp_path}", default_model=MODEL)
    client = create_api(settings).flask.test_client()
    detail = assert_problem(explain(client, "https://a.example/b"), 422, "image_url_refused")
    assert "its operator has allowed no hosts" in detail
    detail = assert_problem(explain(client, "s3://bucket/key"), 422, "image_url_refused")
    assert "not allowed the bucket" in detail


@pytest.fixture
def s3_api(valkey: RedisServer, s3: S3Server) -> tuple[Api, S3Server, str]:
    """An API whose store is one bucket, and which may read images from another."""
    with valkey.client() as redis:
        redis.flushdb()
    photos = s3.new_bucket()
    settings = load(
        {},
        redis_url=valkey.url,
        default_model=MODEL,
        image_buckets=f"{photos}, no-such-bucket",
        max_upload_bytes=1_000_000,
        **s3.settings(s3.new_bucket()),
    )
    return create_api(settings), s3, photos


@pytest.mark.parametrize("key", ["cat.jpg", "a/b c/ä+%2F?#.jpg", "~/x..y/…"])
def test_an_image_is_read_from_an_allowed_bucket(
    s3_api: tuple[Api, S3Server, str], cat: bytes, key: str
) -> None:
    api, s3, photos = s3_api
    s3.client().put_object(Bucket=photos, Key=key, Body=cat)
    response = explain(api.flask.test_client(), f"s3://{photos}/{key}")
    assert response.status_code == 202, response.get_data()
    assert response.get_json()["image_id"] == hashlib.sha256(cat).hexdigest()


def test_what_a_bucket_does_not_give_is_refused(
    s3_api: tuple[Api, S3Server, str], cat: bytes
) -> None:
    api, s3, photos = s3_api
    client = api.flask.test_client()
    s3.client().put_object(Bucket=photos, Key="large", Body=bytes(1_000_001))
    s3.client().put_object(Bucket=photos, Key="text", Body=b"text")
    private = s3.new_bucket()
    s3.client().put_object(Bucket=private, Key="cat.jpg", Body=cat)
    for url, status, code in (
        (f"s3://{photos}/none", 422, "image_unreachable"),
        ("s3://no-such-bucket/cat.jpg", 422, "image_unreachable"),
        (f"s3://{private}/cat.jpg", 422, "image_url_refused"),
        (f"s3://{photos}/../{private}/cat.jpg", 422, "image_url_refused"),
        (f"s3://{photos}//cat.jpg", 422, "image_url_refused"),
        (f"s3://{photos}/", 422, "image_url_refused"),
        (f"s3://{photos}", 422, "image_url_refused"),
        (f"s3://{photos}/" + "x" * 1_025, 422, "image_url_refused"),
        ("s3://", 422, "image_url_refused"),
        (f"s3://{photos}/large", 413, "image_too_large"),
        (f"s3://{photos}/text", 415, "unsupported_image"),
    ):
        assert_problem(explain(client, url), status, code)


def test_a_large_object_is_not_read(s3: S3Server) -> None:
    photos = s3.new_bucket()
    s3.client().put_object(Bucket=photos, Key="large", Body=bytes(1_001))
    settings = load(
        {}, image_buckets=photos, max_upload_bytes=1_000, **s3.settings(s3.new_bucket())
    )
    with pytest.raises(ImageTooLarge, match="1001 bytes; the limit is 1000"):
        ImageBuckets(settings).read(f"s3://{photos}/large", client="tenant")


def test_a_bucket_whose_server_does_not_answer_is_an_outage(
    valkey: RedisServer, tmp_path: Path, unused_port: int
) -> None:
    settings = load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{tmp_path}",
        default_model=MODEL,
        image_buckets="photos",
        s3_endpoint=f"http://127.0.0.1:{unused_port}",
        s3_access_key_id="a",
        s3_secret_access_key="b",  # noqa: S106
    )
    client = create_api(settings).flask.test_client()
    assert_problem(explain(client, "s3://photos/a"), 503, "store_unavailable")


def test_the_bucket_of_the_store_is_no_image_bucket() -> None:
    with pytest.raises(SettingsError, match="must not name the bucket of the store"):
        load({}, store_url="s3://own", image_buckets="photos,own")
