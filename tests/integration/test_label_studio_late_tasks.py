"""Tasks of a batch whose images are not read in its time: read later, and pushed once."""

import threading
from typing import Any

import pytest
from flask.testing import FlaskClient

from http_api import MODEL
from label_studio_annotations import wait_for_empty_inbox
from label_studio_requests import SLOW_UPLOAD, UPLOAD, finish_waiting, replay, set_up
from label_studio_rules import recording, stored_predictions
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import lanes_of
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import Api, create_api
from seewhy_api.label_studio import event_inbox, late_tasks, predictor
from seewhy_api.webhooks.app import create_dispatcher
from servers.label_studio import FakeLabelStudio
from servers.waiting import wait_until

TASKS = recording(12)["body"]["tasks"]
LATE = "The images were not read within 0 s."


@pytest.fixture
def settings_overrides(studio: FakeLabelStudio) -> dict[str, Any]:
    return studio.settings


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give batches no time to read images."""
    monkeypatch.setattr(predictor, "BATCH_WAIT_S", 0.0)


def waiting(settings: Settings) -> int:
    """Count what waits in the inbox."""
    return len(list(open_store(settings).list_keys("label-studio-events/")))


def push_all(settings: Settings) -> int:
    """End the jobs that wait, and push; return the number of pushes."""
    wait_for_empty_inbox(settings)
    finish_waiting(settings)
    return create_dispatcher(settings).dispatcher.deliver()


def test_images_that_a_batch_had_no_time_for_are_read_later_and_pushed_once(
    api: Api,
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(late_tasks, "TASKS_PER_EVENT", 2)
    version = set_up(client)
    for _ in range(2):  # people retrieve again when they see nothing
        answer = replay(client, 12).get_json()
        assert (stored_predictions(answer, TASKS), answer["errors"]) == ([], [])
    inbox = api.annotations
    assert inbox is not None

    def is_handled() -> bool:
        inbox.retry_events()  # a task whose other event is handled has to wait
        return waiting(settings) == 0

    monkeypatch.setattr(event_inbox, "RETRY_INTERVAL_S", 0)
    wait_until(is_handled, what="both batches are handled")
    assert push_all(settings) == 3
    pushed = [(each["task"], each["model_version"]) for each in studio.predictions]
    assert sorted(pushed) == [(task, version) for task in (4, 5, 6)]
    assert open_ledger(settings).claim(lanes_of(MODEL), owner="test", limit=1) == []


def test_another_process_reads_the_images_once_label_studio_delivers_them(
    api: Api,
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    cat: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_up(client)
    broken = "/data/upload/4/broken.png"
    studio.uploads[broken] = b"no image"
    late = "/data/upload/4/late.png"
    tasks = [{"id": n, "data": {"image": path}} for n, path in enumerate((late, broken, UPLOAD), 4)]
    assert replay(client, 12, tasks=tasks).get_json()["errors"] == []
    inbox = api.annotations
    assert inbox is not None
    wait_until(lambda: not inbox._waiting, what="the process gave up for now")
    assert waiting(settings) == 1
    studio.uploads[late] = cat
    monkeypatch.setattr(event_inbox, "RETRY_INTERVAL_S", 0)
    other = create_api(settings).annotations
    assert other is not None
    other.retry_events()
    assert push_all(settings) == 2
    assert sorted(each["task"] for each in studio.predictions) == [4, 6]


def test_without_room_for_them_the_answer_says_that_they_have_to_be_retrieved_again(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(event_inbox, "MAX_WAITING", 0)
    set_up(client)
    errors = replay(client, 12).get_json()["errors"]
    assert [each["task"] for each in errors] == [4, 5, 6]
    assert errors[0]["detail"].startswith(f"{LATE} Retrieve predictions again: ")
    assert waiting(settings) == 0


def test_an_event_with_images_that_cannot_be_read_ends_in_time_and_reads_the_others_later(
    client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch, api: Api
) -> None:
    monkeypatch.setattr(late_tasks, "EVENT_TIME_S", 0.0)
    set_up(client)
    missing = [f"/data/upload/4/missing-{n}.png" for n in range(3)]
    images = enumerate((*missing, UPLOAD), 4)
    tasks = [{"id": n, "data": {"image": path}} for n, path in images]
    assert replay(client, 12, tasks=tasks).get_json()["errors"] == []
    inbox = api.annotations
    assert inbox is not None

    def is_submitted() -> bool:
        if not inbox._waiting:
            inbox.retry_events()
        return open_ledger(settings).counts().non_terminal == 1

    monkeypatch.setattr(event_inbox, "RETRY_INTERVAL_S", 0)
    wait_until(is_submitted, what="the image that can be read comes first")
    assert waiting(settings) == 1


class TestWithASilentLabelStudio:
    """It accepts requests for an image, and does not answer them."""

    @pytest.fixture
    def settings_overrides(self, studio: FakeLabelStudio) -> dict[str, Any]:
        return {**studio.settings, "image_url_timeout_s": 1}

    def test_an_image_that_is_not_delivered_in_time_is_read_later(
        self,
        api: Api,
        client: FlaskClient,
        settings: Settings,
        studio: FakeLabelStudio,
        cat: bytes,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(predictor, "BATCH_WAIT_S", 50.0)
        set_up(client)
        studio.uploads[SLOW_UPLOAD] = cat
        studio.held[SLOW_UPLOAD] = threading.Event()
        images = (UPLOAD, SLOW_UPLOAD)
        tasks = [{"id": n, "data": {"image": path}} for n, path in enumerate(images, 4)]
        assert replay(client, 12, tasks=tasks).get_json()["errors"] == []
        assert waiting(settings) == 1
        studio.held[SLOW_UPLOAD].set()
        inbox = api.annotations
        assert inbox is not None
        wait_until(lambda: not inbox._waiting, what="the process has tried")
        monkeypatch.setattr(event_inbox, "RETRY_INTERVAL_S", 0)
        inbox.retry_events()
        assert push_all(settings) == 2
        assert sorted(each["task"] for each in studio.predictions) == [4, 5]


class TestWithoutAnApiKey:
    """Nothing is pushed, so nothing is read later."""

    @pytest.fixture
    def settings_overrides(self, studio: FakeLabelStudio) -> dict[str, Any]:
        studio.accepts_legacy = True
        return {"label_studio_url": studio.url}

    def test_the_answer_says_which_tasks_have_to_be_retrieved_again(
        self, client: FlaskClient, settings: Settings
    ) -> None:
        set_up(client)
        errors = replay(client, 12).get_json()["errors"]
        detail = f"{LATE} Retrieve predictions again."
        assert errors == [{"task": task, "detail": detail} for task in (4, 5, 6)]
        assert waiting(settings) == 0
