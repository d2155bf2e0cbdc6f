"""What holds for every object store, on the in-memory twin, a local directory and a real S3."""

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
    found: ObjectStore = request.getfixturevalue("bucket")
    return found


def calls_served(store: ObjectStore) -> Iterator[str]:
    """Name each call of the port that does not find the store unavailable."""
    calls = {
        "put": lambda: store.put("images/1", b"1", content_type=JPEG),
        "get": lambda: store.get("images/1"),
        "delete": lambda: store.delete("images/1"),
        "keys": lambda: list(store.keys("images/")),
        "check": store.check,
    }
    for name, call in calls.items():
        try:
            call()
        except StoreUnavailable:
            continue
        yield name


@pytest.mark.parametrize("size_bytes", [0, 1, 60_000, 6_000_000])
def test_what_is_put_is_read_back(store: ObjectStore, size_bytes: int) -> None:
    body = (bytes(range(256)) * (size_bytes // 256 + 1))[:size_bytes]
    store.put("images/1", body, content_type=JPEG)
    assert store.get("images/1") == body


def test_a_second_put_replaces_the_first(store: ObjectStore) -> None:
    store.put("images/1", b"long and first", content_type=JPEG)
    store.put("images/1", b"second", content_type=JPEG)
    assert store.get("images/1") == b"second"


def test_an_object_that_was_never_put_is_absent(store: ObjectStore) -> None:
    with pytest.raises(ObjectNotFound, match="no object under images/1"):
        store.get("images/1")


def test_a_deleted_object_is_absent_and_may_be_deleted_again(store: ObjectStore) -> None:
    store.put("images/1", b"1", content_type=JPEG)
    store.delete("images/1")
    store.delete("images/1")
    with pytest.raises(ObjectNotFound):
        store.get("images/1")


def test_a_folder_lists_all_it_holds_and_no_neighbour(store: ObjectStore) -> None:
    for key in ("results/1/1/map.npy", "results/1/2/overlay-0.jpg", "results/10/1/map.npy"):
        store.put(key, b"1", content_type=JPEG)
    assert sorted(store.keys("results/1/")) == ["results/1/1/map.npy", "results/1/2/overlay-0.jpg"]
    assert list(store.keys("results/2/")) == []


def test_threads_share_a_store_and_a_long_listing_is_whole(store: ObjectStore) -> None:
    keys = [f"jobs/{number}.json" for number in range(1_001)]  # S3 lists 1,000 at a time
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: store.put(key, key.encode(), content_type=JPEG), keys))
        bodies = list(threads.map(store.get, keys))
    assert bodies == [key.encode() for key in keys]
    assert sorted(store.keys("jobs/")) == sorted(keys)


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
        lambda: store.link(key, expires_s=60),
        lambda: list(store.keys(f"{key}/")),
    ):
        with pytest.raises(ValueError, match="not a key"):
            call()


def test_a_listing_is_of_a_whole_folder(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="not a folder"):
        list(store.keys("results/1"))


@pytest.mark.parametrize("expires_s", [0, -1, 604_801])
def test_a_link_that_no_s3_would_honour_is_refused(store: ObjectStore, expires_s: int) -> None:
    with pytest.raises(ValueError, match="a link lasts"):
        store.link("images/1", expires_s=expires_s)


def test_a_store_that_works_passes_its_check(store: ObjectStore) -> None:
    store.check()


def test_a_directory_and_memory_have_no_links(tmp_path: Path) -> None:
    directory = open_store(load(environment={}, store_url=f"file://{tmp_path}/objects"))
    assert directory.link("images/1", expires_s=60) is None
    assert memory_store().link("images/1", expires_s=60) is None


def test_a_new_directory_is_its_owner_s_alone(tmp_path: Path) -> None:
    open_store(load(environment={}, store_url=f"file://{tmp_path}/my%20own/objects"))
    assert (tmp_path / "my own" / "objects").stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_made_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="SEEWHY_STORE_URL: cannot create"):
        open_store(load(environment={}, store_url=f"file://{tmp_path}/file/objects"))


def test_a_directory_that_went_away_fails_its_check(tmp_path: Path) -> None:
    directory = open_store(load(environment={}, store_url=f"file://{tmp_path}/objects"))
    (tmp_path / "objects").rmdir()
    with pytest.raises(StoreUnavailable, match="objects is not a directory"):
        directory.check()


def test_a_link_serves_the_object_and_its_type_to_anybody(bucket: ObjectStore) -> None:
    bucket.put("images/1", b"a picture", content_type=JPEG)
    answer = httpx2.get(bucket.link("images/1", expires_s=60) or "")
    assert (answer.status_code, answer.content) == (200, b"a picture")
    assert answer.headers["Content-Type"] == JPEG


def test_a_link_names_the_public_endpoint_and_is_signed_for_it(s3_settings: Settings) -> None:
    public = (s3_settings.s3_endpoint or "").replace("127.0.0.1", "localhost")
    store = open_store(s3_settings.model_copy(update={"s3_public_endpoint": public}))
    store.put("images/1", b"a picture", content_type=JPEG)
    link = store.link("images/1", expires_s=60) or ""
    assert link.startswith(f"{public}/")
    assert httpx2.get(link).content == b"a picture"


@pytest.mark.parametrize(
    ("written", "forged"),
    [
        ("images/1", "images/2"),
        ("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        ("?X-Amz", "?x=1&X-Amz"),
    ],
)
def test_a_changed_link_opens_nothing(bucket: ObjectStore, written: str, forged: str) -> None:
    for key in ("images/1", "images/2"):
        bucket.put(key, b"a picture", content_type=JPEG)
    link = bucket.link("images/1", expires_s=60) or ""
    assert written in link
    assert httpx2.get(link.replace(written, forged)).status_code == 403
    assert httpx2.get(link.partition("?")[0]).status_code == 403


def test_a_link_ends(bucket: ObjectStore) -> None:
    bucket.put("images/1", b"a picture", content_type=JPEG)
    link = bucket.link("images/1", expires_s=1) or ""
    give_up = time.monotonic() + 20
    while httpx2.get(link).status_code != 403:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    assert "expired" in httpx2.get(link).text


def test_a_missing_bucket_is_said_and_is_not_taken_for_a_missing_object(
    s3_settings: Settings,
) -> None:
    store = open_store(s3_settings.model_copy(update={"store_url": "s3://never-made"}))
    assert list(calls_served(store)) == []
    with pytest.raises(StoreUnavailable, match="the bucket of SEEWHY_STORE_URL does not exist"):
        store.check()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"s3_secret_access_key": "wrong"}, "check SEEWHY_S3_ACCESS_KEY_ID"),
        ({"s3_access_key_id": "nobody"}, "check SEEWHY_S3_ACCESS_KEY_ID"),
        ({"s3_region": "eu-west-1"}, "check SEEWHY_S3_REGION"),
    ],
)
def test_settings_that_the_server_refuses_are_named(
    s3: S3Server, changes: dict[str, str], says: str
) -> None:
    given = s3.settings(s3.new_bucket()) | changes
    store = open_store(load(environment={}, **given))
    assert list(calls_served(store)) == []
    with pytest.raises(StoreUnavailable, match=says):
        store.check()


def test_the_machine_s_own_aws_session_is_not_mixed_into_given_keys(
    s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    link = open_store(s3_settings).link("images/1", expires_s=60) or ""
    assert "X-Amz-Security-Token" not in link


def test_without_keys_of_its_own_the_store_uses_the_machine_s(
    s3_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = s3_settings.s3_secret_access_key
    assert secret is not None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_settings.s3_access_key_id or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret.get_secret_value())
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")  # the setting prevails
    keyless = {"s3_access_key_id": None, "s3_secret_access_key": None}
    open_store(s3_settings.model_copy(update=keyless)).check()
