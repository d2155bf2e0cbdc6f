"""The object store contract: in memory, in a local directory and on a real S3 server."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from seewhy.errors import ObjectNotFound, SettingsError, StoreUnavailable
from seewhy.settings import Settings, load
from seewhy.storage.obstore_adapter import memory_store, open_store
from seewhy.storage.port import ObjectStore
from servers.s3 import S3Server

JPEG = "image/jpeg"


@pytest.fixture
def s3_settings(s3: S3Server) -> Settings:
    return load(environment={}, **s3.settings(s3.new_bucket()))


@pytest.fixture
def bucket(s3_settings: Settings) -> ObjectStore:
    return open_store(s3_settings)


@pytest.fixture(params=["memory", "directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return memory_store()
    if request.param == "directory":
        return open_store(load(environment={}, store_url=f"file://{tmp_path}/objects"))
    s3_store: ObjectStore = request.getfixturevalue("bucket")
    return s3_store


def available_calls(store: ObjectStore) -> Iterator[str]:
    """Yield the name of each method that does not raise `StoreUnavailable`."""
    calls = {
        "put": lambda: store.put("images/1", b"1", content_type=JPEG),
        "get": lambda: store.get("images/1"),
        "delete": lambda: store.delete("images/1"),
        "list_keys": lambda: list(store.list_keys("images/")),
        "check": store.check,
    }
    for name, call in calls.items():
        try:
            call()
        except StoreUnavailable:
            continue
        yield name


@pytest.mark.parametrize("size_bytes", [0, 1, 60_000, 6_000_000])
def test_a_put_object_is_read_back(store: ObjectStore, size_bytes: int) -> None:
    body = (bytes(range(256)) * (size_bytes // 256 + 1))[:size_bytes]
    store.put("images/1", body, content_type=JPEG)
    assert store.get("images/1") == body


def test_a_second_put_replaces_the_first(store: ObjectStore) -> None:
    store.put("images/1", b"long and first", content_type=JPEG)
    store.put("images/1", b"second", content_type=JPEG)
    assert store.get("images/1") == b"second"


def test_a_missing_object_is_not_found(store: ObjectStore) -> None:
    with pytest.raises(ObjectNotFound, match="No object under images/1"):
        store.get("images/1")


def test_a_deleted_object_is_not_found_and_can_be_deleted_again(store: ObjectStore) -> None:
    store.put("images/1", b"1", content_type=JPEG)
    store.delete("images/1")
    store.delete("images/1")
    with pytest.raises(ObjectNotFound):
        store.get("images/1")


def test_a_listing_has_all_keys_of_the_folder_and_no_others(store: ObjectStore) -> None:
    for key in ("results/1/1/map.npy", "results/1/2/overlay-0.jpg", "results/10/1/map.npy"):
        store.put(key, b"1", content_type=JPEG)
    assert sorted(store.list_keys("results/1/")) == [
        "results/1/1/map.npy",
        "results/1/2/overlay-0.jpg",
    ]
    assert list(store.list_keys("results/2/")) == []


def test_threads_share_a_store_and_a_long_listing_is_complete(store: ObjectStore) -> None:
    keys = [f"jobs/{number}.json" for number in range(1_001)]  # S3 returns 1,000 per page
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: store.put(key, key.encode(), content_type=JPEG), keys))
        bodies = list(threads.map(store.get, keys))
    assert bodies == [key.encode() for key in keys]
    assert sorted(store.list_keys("jobs/")) == sorted(keys)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "..",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "a/./b",
        "a/",
        "a\\b",
        "a%2fb",
        "a#1",
        "a\n",
    ],
)
def test_a_key_that_could_leave_its_folder_is_refused(store: ObjectStore, key: str) -> None:
    for call in (
        lambda: store.put(key, b"1", content_type=JPEG),
        lambda: store.get(key),
        lambda: store.delete(key),
        lambda: store.presigned_url(key, expires_s=60),
        lambda: list(store.list_keys(f"{key}/")),
    ):
        with pytest.raises(ValueError, match="Not an object key"):
            call()


def test_a_listing_of_a_partial_name_is_refused(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="Not a folder"):
        list(store.list_keys("results/1"))


@pytest.mark.parametrize("expires_s", [0, -1, 604_801])
def test_an_expiry_outside_the_range_of_s3_is_refused(store: ObjectStore, expires_s: int) -> None:
    with pytest.raises(ValueError, match="expires_s must be"):
        store.presigned_url("images/1", expires_s=expires_s)


def test_a_working_store_passes_its_check(store: ObjectStore) -> None:
    store.check()


def test_a_directory_and_memory_have_no_presigned_urls(tmp_path: Path) -> None:
    directory = open_store(load(environment={}, store_url=f"file://{tmp_path}/objects"))
    assert directory.presigned_url("images/1", expires_s=60) is None
    assert memory_store().presigned_url("images/1", expires_s=60) is None


def test_a_new_directory_is_private_to_its_owner(tmp_path: Path) -> None:
    open_store(load(environment={}, store_url=f"file://{tmp_path}/my%20own/objects"))
    assert (tmp_path / "my own" / "objects").stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_created_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="SEEWHY_STORE_URL: cannot create"):
        open_store(load(environment={}, store_url=f"file://{tmp_path}/file/objects"))


def test_a_removed_directory_fails_its_check(tmp_path: Path) -> None:
    directory = open_store(load(environment={}, store_url=f"file://{tmp_path}/objects"))
    (tmp_path / "objects").rmdir()
    with pytest.raises(StoreUnavailable, match="objects is not a writable directory"):
        directory.check()


def test_a_presigned_url_serves_the_object_and_its_content_type(bucket: ObjectStore) -> None:
    bucket.put("images/1", b"an image", content_type=JPEG)
    response = httpx2.get(bucket.presigned_url("images/1", expires_s=60) or "")
    assert (response.status_code, response.content) == (200, b"an image")
    assert response.headers["Content-Type"] == JPEG


def test_a_presigned_url_is_signed_for_the_public_endpoint(s3_settings: Settings) -> None:
    public = (s3_settings.s3_endpoint or "").replace("127.0.0.1", "localhost")
    store = open_store(s3_settings.model_copy(update={"s3_public_endpoint": public}))
    store.put("images/1", b"an image", content_type=JPEG)
    url = store.presigned_url("images/1", expires_s=60) or ""
    assert url.startswith(f"{public}/")
    assert httpx2.get(url).content == b"an image"


@pytest.mark.parametrize(
    ("original", "forged"),
    [
        ("images/1", "images/2"),
        ("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        ("?X-Amz", "?x=1&X-Amz"),
    ],
)
def test_a_tampered_presigned_url_is_refused(
    bucket: ObjectStore, original: str, forged: str
) -> None:
    for key in ("images/1", "images/2"):
        bucket.put(key, b"an image", content_type=JPEG)
    url = bucket.presigned_url("images/1", expires_s=60) or ""
    assert original in url
    assert httpx2.get(url.replace(original, forged)).status_code == 403
    assert httpx2.get(url.partition("?")[0]).status_code == 403


def test_a_presigned_url_expires(bucket: ObjectStore) -> None:
    bucket.put("images/1", b"an image", content_type=JPEG)
    url = bucket.presigned_url("images/1", expires_s=1) or ""
    deadline = time.monotonic() + 20
    while httpx2.get(url).status_code != 403:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "expired" in httpx2.get(url).text


def test_a_missing_bucket_is_not_mistaken_for_a_missing_object(
    s3_settings: Settings,
) -> None:
    store = open_store(s3_settings.model_copy(update={"store_url": "s3://never-made"}))
    assert list(available_calls(store)) == []
    with pytest.raises(StoreUnavailable, match="The bucket in SEEWHY_STORE_URL does not exist"):
        store.check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"s3_secret_access_key": "wrong"}, "Check SEEWHY_S3_ACCESS_KEY_ID"),
        ({"s3_access_key_id": "nobody"}, "Check SEEWHY_S3_ACCESS_KEY_ID"),
        ({"s3_region": "eu-west-1"}, "Check SEEWHY_S3_REGION"),
    ],
)
def test_an_error_message_names_the_wrong_setting(
    s3: S3Server, changes: dict[str, str], message: str
) -> None:
    given = s3.settings(s3.new_bucket()) | changes
    store = open_store(load(environment={}, **given))
    assert list(available_calls(store)) == []
    with pytest.raises(StoreUnavailable, match=message):
        store.check()


def test_configured_keys_are_not_combined_with_an_aws_session_of_the_machine(
    s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of another account")
    url = open_store(s3_settings).presigned_url("images/1", expires_s=60) or ""
    assert "X-Amz-Security-Token" not in url


def test_without_configured_keys_the_store_uses_the_credentials_of_the_machine(
    s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = s3_settings.s3_secret_access_key
    assert secret is not None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_settings.s3_access_key_id or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret.get_secret_value())
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")  # the setting takes precedence
    keyless = {"s3_access_key_id": None, "s3_secret_access_key": None}
    open_store(s3_settings.model_copy(update=keyless)).check()
