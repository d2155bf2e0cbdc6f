"""Events of Label Studio's webhook: stored at once, handled later, never lost, never twice."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from http_api import assert_problem
from label_studio_annotations import (
    CHOICE,
    LOWER_RIGHT,
    PROJECT,
    UPPER_LEFT,
    annotate,
    measure,
    ranking,
    rectangle,
    scores,
    wait_for_empty_inbox,
)
from label_studio_requests import finish, replay
from seewhy.errors import IdempotencyKeyBusy, LedgerUnavailable
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import Api, create_api
from seewhy_api.label_studio import event_inbox
from seewhy_api.label_studio.client import LabelStudioError
from seewhy_api.label_studio.task_scores import TaskScores
from seewhy_api.webhooks.app import create_dispatcher
from servers.label_studio import LEGACY_TOKEN, FakeLabelStudio
from servers.waiting import wait_until

pytestmark = pytest.mark.usefixtures("label_studio_project")


@pytest.fixture
def settings_overrides(studio: FakeLabelStudio) -> dict[str, Any]:
    return studio.settings


def test_an_annotation_that_is_deleted_before_its_job_ends_leaves_no_agreement(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    annotate(client, CHOICE, rectangle(UPPER_LEFT), annotation=2)
    wait_for_empty_inbox(settings)
    replay(client, 19)
    wait_for_empty_inbox(settings)
    assert measure(settings) == 1
    assert ranking(client) == []
    assert scores(studio) == {}


def test_an_event_that_comes_twice_and_an_agreement_that_is_not_reported_leave_no_duplicate(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    for _ in range(2):
        annotate(client, CHOICE, rectangle(LOWER_RIGHT))
        wait_for_empty_inbox(settings)
    finish(settings)
    dispatcher = create_dispatcher(settings).dispatcher
    outbox = open_ledger(settings).outbox
    lease = outbox.lease_origin(limit=8)
    assert lease is not None
    (delivery,) = lease.deliveries  # one job
    pusher = dispatcher._pusher
    assert pusher is not None
    for _ in range(2):
        push = pusher.prepare(delivery.record).push  # type: ignore[arg-type]
        assert push is not None
        push()
    assert scores(studio) == {4: 0}
    assert len(ranking(client)) == 1


def test_the_answer_does_not_wait_for_the_image_and_the_event_survives_the_process(
    client: FlaskClient,
    api: Api,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    assert api.annotations is not None
    released = threading.Event()
    request.addfinalizer(released.set)
    monkeypatch.setattr(api.annotations, "_handle", lambda _: released.wait(60))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(annotate, client, CHOICE, rectangle(LOWER_RIGHT)).result(timeout=30)
    assert len(list(open_store(settings).list_keys("label-studio-events/"))) == 1
    # Another process finds the event, as if this one had ended: it does not handle it.
    monkeypatch.setattr(event_inbox, "RETRY_INTERVAL_S", 0)
    other = create_api(settings).annotations
    assert other is not None
    other.retry_events()
    wait_for_empty_inbox(settings)
    measure(settings)
    assert [one["task"] for one in ranking(client)] == [4]


@pytest.mark.parametrize("error", [LedgerUnavailable, IdempotencyKeyBusy])
def test_an_event_is_kept_while_its_job_cannot_be_submitted(
    api: Api,
    client: FlaskClient,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    inbox = api.annotations
    assert inbox is not None
    handle = inbox._handle
    failed = threading.Event()

    def fail(_: Any) -> bool:
        failed.set()
        raise error("It was a test.")

    inbox._handle = fail
    annotate(client, CHOICE, rectangle(LOWER_RIGHT))
    assert failed.wait(30)
    wait_until(lambda: not inbox._waiting, what="the process gave up for now")
    inbox._handle = handle
    monkeypatch.setattr(event_inbox, "RETRY_INTERVAL_S", 0)
    inbox.retry_events()
    wait_for_empty_inbox(settings)
    assert measure(settings) == 1
    assert len(ranking(client)) == 1


def test_a_deletion_is_repeated_until_label_studio_has_it(
    api: Api,
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annotate(client, CHOICE, rectangle(LOWER_RIGHT), annotation=8)
    measure(settings)
    assert len(scores(studio)) == 1
    inbox = api.annotations
    assert inbox is not None
    with monkeypatch.context() as patch:
        patch.setattr(TaskScores, "write", lambda *_, **__: fail_to_write())
        replay(client, 19, annotations=[{"id": 8}])
        wait_until(lambda: not inbox._waiting, what="the process gave up for now")
    assert len(scores(studio)) == 1
    monkeypatch.setattr(event_inbox, "RETRY_INTERVAL_S", 0)
    inbox.retry_events()
    wait_for_empty_inbox(settings)
    assert (ranking(client), scores(studio)) == ([], {})


def fail_to_write() -> None:
    raise LabelStudioError("It was a test.")


def test_results_without_the_name_of_a_tag_are_ignored(
    client: FlaskClient, settings: Settings
) -> None:
    annotate(client, CHOICE, {"from_name": [], "type": {}}, rectangle(LOWER_RIGHT))
    assert measure(settings) == 1
    assert len(ranking(client)) == 1


def test_malformed_and_excessive_events_are_refused_and_others_are_ignored(
    client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert replay(client, 13).get_json() == {"status": "ok"}
    started = client.post(
        "/label-studio/webhook", json={"action": "START_TRAINING", "project": {"id": 4}}
    )
    assert started.get_json() == {"status": "ok"}
    assert_problem(replay(client, 16, annotation=None), 422, "invalid_request")
    assert_problem(replay(client, 16, task={"id": -1, "data": {}}), 422, "invalid_request")
    monkeypatch.setattr(event_inbox, "MAX_WAITING", 0)
    assert_problem(replay(client, 16), 503, "queue_full")
    monkeypatch.setattr(event_inbox, "MAX_EVENT_BYTES", 10)
    monkeypatch.setattr(event_inbox, "MAX_WAITING", 10)
    assert_problem(replay(client, 16), 413, "request_too_large")
    assert list(open_store(settings).list_keys("label-studio-events/")) == []


def test_without_an_api_key_agreements_are_stored_and_nothing_is_written_to_label_studio(
    settings: Settings, studio: FakeLabelStudio
) -> None:
    studio.accepts_legacy = True
    keyless = settings.model_copy(update={"label_studio_api_key": None})
    client = create_api(keyless).flask.test_client()
    set_up_keyless(client)
    annotate(client, CHOICE, rectangle(LOWER_RIGHT))
    assert measure(keyless) == 1
    assert len(client.get(PROJECT).get_json()["agreements"]) == 1
    assert studio.predictions == []


def set_up_keyless(client: FlaskClient) -> None:
    replay(client, 3, access_token=LEGACY_TOKEN, extra_params='{"alias": {"tumor": "tiger cat"}}')


def test_without_a_label_studio_events_are_ignored(settings: Settings) -> None:
    off = settings.model_copy(update={"label_studio_url": None, "label_studio_api_key": None})
    api = create_api(off)
    assert api.annotations is None
    assert replay(api.flask.test_client(), 16).get_json() == {"status": "ok"}
    assert list(open_store(settings).list_keys("label-studio-events/")) == []
