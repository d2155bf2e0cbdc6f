"""Batches of a folder of a bucket, on a real S3 server."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from batch_requests import results_of
from http_api import MODEL, assert_problem
from images import ENCODED
from seewhy.errors import ImageUnreachable, ImageUrlRefused, StoreUnavailable
from seewhy.settings import Settings, load
from seewhy.storage.image_buckets import ImageBuckets
from seewhy_api.app import Api, create_api
from servers.s3 import S3Server
from servers.valkey import RedisServer

PNG = ENCODED["PNG"]


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def settings(valkey: RedisServer, s3: S3Server, bucket: str) -> Settings:
    with valkey.client() as redis:
        redis.flushdb()
    return load(
        {},
        redis_url=valkey.url,
        default_model=MODEL,
        image_buckets=f"{bucket}, no-such-bucket",
        batch_max_items=120,
        **s3.settings(s3.new_bucket()),
    )


@pytest.fixture
def api(settings: Settings) -> Api:
    return create_api(settings)


def fill(s3: S3Server, bucket: str, names: list[str], body: bytes = PNG) -> None:
    for name in names:
        s3.client().put_object(Bucket=bucket, Key=name, Body=body)


def submit(client: FlaskClient, prefix: Any, *, key: str = "", **fields: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/v1/batches", json={"image_prefix": prefix, **fields}, headers=headers)


def test_the_objects_of_a_folder_become_items_under_their_paths(
    api: Api, client: FlaskClient, s3: S3Server, bucket: str
) -> None:
    names = ["a b+%41é.png", "a/b.png", "z.png"]
    fill(s3, bucket, [f"2026/{name}" for name in names])
    fill(s3, bucket, ["2026/", "2026/a/"], b"")
    fill(s3, bucket, ["2026.png", "2025/x.png"])
    fill(s3, bucket, ["2026/table.csv"], b"text")
    response = submit(client, f"s3://{bucket}/2026/", outputs=[], metadata={"n": 1})
    assert response.status_code == 202, response.get_data(as_text=True)
    batch = response.get_json()
    assert (batch["status"], batch["counts"]["total"], batch["refused"]) == ("listing", 0, [])
    assert results_of(client, batch["id"]) == []
    api.acceptor.accept_batches()
    running = client.get(f"/v1/batches/{batch['id']}").get_json()
    assert (running["status"], running["counts"]["queued"]) == ("running", 3)
    lines = results_of(client, batch["id"])
    assert {line["key"]: line["status"] for line in lines} == {
        **dict.fromkeys(names, "queued"),
        "table.csv": "refused",
    }
    assert {line["metadata"]["n"] for line in lines if "metadata" in line} == {1}


def test_a_whole_bucket_is_a_folder(
    api: Api, client: FlaskClient, s3: S3Server, bucket: str
) -> None:
    fill(s3, bucket, ["a.png", "b/c.png"])
    batch_id = submit(client, f"s3://{bucket}/").get_json()["id"]
    api.acceptor.accept_batches()
    assert [line["key"] for line in results_of(client, batch_id)] == ["a.png", "b/c.png"]


def test_a_key_accepts_the_same_folder_once(
    api: Api, client: FlaskClient, s3: S3Server, bucket: str
) -> None:
    fill(s3, bucket, ["a/1.png", "b/1.png"])
    first = submit(client, f"s3://{bucket}/a/", key="k")
    api.acceptor.accept_batches()
    fill(s3, bucket, ["a/2.png"])
    again = submit(client, f"s3://{bucket}/a/", key="k")
    assert again.status_code == 202
    assert again.get_json()["id"] == first.get_json()["id"]
    api.acceptor.accept_batches()
    assert [line["key"] for line in results_of(client, first.get_json()["id"])] == ["1.png"]
    other = submit(client, f"s3://{bucket}/b/", key="k")
    assert_problem(other, 422, "idempotency_key_reused")
    other = submit(client, f"s3://{bucket}/a/", key="k", outputs=[])
    assert_problem(other, 422, "idempotency_key_reused")


def test_what_is_no_allowed_folder_is_refused_at_once(client: FlaskClient, bucket: str) -> None:
    for prefix in (
        "s3://other/",
        "s3://",
        f"s3://{bucket}",
        f"s3://{bucket}/a",
        f"s3://{bucket}//",
        f"s3://{bucket}/../other/",
        f"s3://{bucket}/./",
        f"s3://{bucket}/" + "x" * 1_025 + "/",
        f"https://{bucket}/",
        "",
    ):
        assert_problem(submit(client, prefix), 422, "image_url_refused")
    bodies: tuple[Any, ...] = ({}, [], {"image_prefix": 7}, {"image_url": "s3://a/"})
    for body in bodies:
        assert_problem(client.post("/v1/batches", json=body), 422, "invalid_request")
    folder = f"s3://{bucket}/"
    assert_problem(submit(client, folder, priority="interactive"), 422, "invalid_request")
    assert_problem(submit(client, folder, method="none"), 422, "unknown_method")
    response = client.post("/v1/batches?request={}", json={"image_prefix": folder})
    assert_problem(response, 422, "invalid_request")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ([], "invalid_request"),
        ([f"{n:03}.png" for n in range(121)], "batch_too_large"),
        (["a.png", "b//c.png"], "image_unreachable"),
    ],
)
def test_a_folder_that_cannot_be_listed_fails_its_batch(
    api: Api, client: FlaskClient, s3: S3Server, bucket: str, names: list[str], code: str
) -> None:
    fill(s3, bucket, names)
    batch_id = submit(client, f"s3://{bucket}/").get_json()["id"]
    api.acceptor.accept_batches()
    batch = client.get(f"/v1/batches/{batch_id}").get_json()
    assert (batch["status"], batch["error"]["code"]) == ("failed", code)
    assert batch["counts"]["total"] == 0
    assert (batch["links"]["retry"], batch["links"]["cancel"]) == (None, None)
    assert results_of(client, batch_id) == []
    assert_problem(client.post(f"/v1/batches/{batch_id}/retry"), 422, "invalid_request")


def test_a_bucket_that_does_not_exist_fails_the_batch(api: Api, client: FlaskClient) -> None:
    batch_id = submit(client, "s3://no-such-bucket/").get_json()["id"]
    api.acceptor.accept_batches()
    batch = client.get(f"/v1/batches/{batch_id}").get_json()
    assert batch["error"]["code"] == "image_unreachable"


def test_urls_are_listed_from_any_point_in_their_order(
    settings: Settings, s3: S3Server, bucket: str
) -> None:
    names = [f"a/{name}" for name in ("0", "1/2", "1/3 4", "5+%20", "é", "😀")]
    fill(s3, bucket, [*names, "b"])
    buckets = ImageBuckets(settings)
    urls = [f"s3://{bucket}/{name}" for name in sorted(names)]
    prefix = f"s3://{bucket}/a/"
    assert [url for url, _ in buckets.list_urls(prefix)] == urls
    for number, url in enumerate(urls):
        found = [each for each, _ in buckets.list_urls(prefix, after=url)]
        assert found == urls[number + 1 :]
    assert [size for _, size in buckets.list_urls(prefix, after=urls[-2])] == [len(PNG)]


def test_a_listing_tells_a_refusal_from_an_outage(
    s3: S3Server, bucket: str, unused_port: int
) -> None:
    given = {"image_buckets": f"{bucket}, no-such-bucket", **s3.settings("a-store")}
    for changes, prefix, error in (
        ({}, "s3://no-such-bucket/", ImageUnreachable),
        ({}, "s3://other/", ImageUrlRefused),
        ({"s3_endpoint": f"http://127.0.0.1:{unused_port}"}, f"s3://{bucket}/", StoreUnavailable),
    ):
        buckets = ImageBuckets(load({}, **(given | changes)))
        with pytest.raises(error):
            list(buckets.list_urls(prefix))
