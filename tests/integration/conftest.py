"""An API over a real Valkey and a local store; no worker runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from documented_client import DocumentedClient
from http_api import MODEL
from label_studio_requests import UPLOAD, set_up
from seewhy.settings import Settings, load
from seewhy_api.app import Api, create_api
from seewhy_api.streaming import event_feed
from servers.label_studio import FakeLabelStudio, label_studio
from servers.valkey import RedisServer


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    """Settings that a test module changes by overriding this fixture."""
    return {}


@pytest.fixture
def settings(valkey: RedisServer, tmp_path: Path, settings_overrides: dict[str, Any]) -> Settings:
    """Settings for an empty Valkey and an empty local store."""
    with valkey.client() as client:
        client.flushdb()
    return load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{tmp_path}/objects",
        default_model=MODEL,
        **settings_overrides,
    )


@pytest.fixture
def api(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """An API whose event feed runs; tests run the sweeper's steps themselves."""
    monkeypatch.setattr(event_feed, "READ_WAIT_MS", 50)  # each test waits for the last read
    api = create_api(settings)
    api.event_feed.start()
    yield api
    api.event_feed.stop()


@pytest.fixture
def client(api: Api) -> FlaskClient:
    """A client of the API without a network, which checks responses against the document."""
    api.flask.test_client_class = DocumentedClient
    return api.flask.test_client()


@pytest.fixture
def studio(cat: bytes) -> Iterator[FakeLabelStudio]:
    """A Label Studio with the recorded upload."""
    with label_studio() as fake:
        fake.uploads[UPLOAD] = cat
        yield fake


@pytest.fixture
def label_studio_project(client: FlaskClient) -> None:
    """Set up the recorded project: `tumor` stands for the tiger cat, `lesion` for every class."""
    set_up(client)


@pytest.fixture
def cat(photos: Path) -> bytes:
    """An encoded JPEG image."""
    return (photos / "cat.jpg").read_bytes()
