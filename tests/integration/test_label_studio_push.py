"""Predictions that are pushed to Label Studio when they finish after the answer."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from http_api import MODEL, assert_problem, submit_image
from label_studio_requests import SLOW_UPLOAD, UPLOAD, finish, pushed_jobs, replay, set_up
from label_studio_rules import check_results, recording, stored_predictions
from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.errors import LedgerUnavailable, SettingsError
from seewhy.ledger.ports.outbox import Outbox
from seewhy.ledger.redis.client.connection import connect
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import DISPATCHER_QUEUE, JobFailure, LedgerPolicy, lanes_of
from seewhy.settings import Settings, load
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import create_api
from seewhy_api.label_studio import predictor, push
from seewhy_api.webhooks.app import create_dispatcher
from seewhy_api.webhooks.dispatcher import LEASE_LIMIT, REQUESTS_PER_ORIGIN
from servers.label_studio import FakeLabelStudio
from servers.process_cluster import kill_tree, start_cluster
from servers.valkey import RedisServer
from servers.waiting import wait_until

STORE_TIMEOUT_S = 5
"""The longest that a server of objects which does not answer delays a read."""

TASKS = recording(12)["body"]["tasks"]
LABEL_CONFIG = recording(12)["body"]["label_config"]


@pytest.fixture
def settings_overrides(studio: FakeLabelStudio) -> dict[str, Any]:
    return studio.settings


def deliver(settings: Settings, outbox: Outbox | None = None) -> int:
    """Deliver what is due, and return the number of attempts."""
    return create_dispatcher(settings, outbox=outbox).dispatcher.deliver()


def test_a_batch_is_pushed_once_and_not_answered(
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = set_up(client)
    for _ in range(2):  # Label Studio may ask again before anything is ready
        answer = replay(client, 12).get_json()
        assert stored_predictions(answer, TASKS) == []
    finish(settings)
    assert stored_predictions(replay(client, 12).get_json(), TASKS) == []
    assert deliver(settings) == 3
    assert sorted(each["task"] for each in studio.predictions) == [4, 5, 6]
    for prediction in studio.predictions:
        assert (prediction["model_version"], prediction["score"]) == (version, 0.5)
        check_results(prediction["result"], LABEL_CONFIG)
    assert stored_predictions(replay(client, 12).get_json(), TASKS) == []
    # Some time after they were delivered, somebody may have deleted them: they are answered.
    monkeypatch.setattr(predictor, "DELIVERY_MARGIN_S", -60)
    assert len(stored_predictions(replay(client, 12).get_json(), TASKS)) == 3
    assert deliver(settings) == 0


def test_a_single_task_that_is_not_ready_in_time_is_pushed_and_computed_once(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    set_up(client)
    for _ in range(2):
        assert replay(client, 25).get_json()["results"] == [[]]
    finish(settings)
    assert open_ledger(settings).claim(lanes_of(MODEL), owner="test", limit=1) == []
    assert deliver(settings) == 1
    (prediction,) = studio.predictions
    assert prediction["task"] == 5


def test_a_task_that_is_pushed_may_be_in_a_later_batch_and_is_pushed_once(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    set_up(client)
    replay(client, 25)
    finish(settings)
    assert replay(client, 12).get_json()["errors"] == []
    assert deliver(settings) == 4
    assert sorted(each["task"] for each in studio.predictions) == [4, 5, 6]


def test_what_is_pushed_while_a_batch_is_served_is_not_answered_too(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio, cat: bytes
) -> None:
    set_up(client)
    studio.uploads[SLOW_UPLOAD] = cat
    studio.held[SLOW_UPLOAD] = threading.Event()
    tasks = [{"id": 4, "data": {"image": SLOW_UPLOAD}}, {"id": 5, "data": {"image": UPLOAD}}]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(replay, client, 12, tasks=tasks)
        finish(settings)
        wait_until(lambda: deliver(settings) == 1, what="the prediction is pushed")
        studio.held[SLOW_UPLOAD].set()
        assert stored_predictions(asked.result().get_json(), tasks) == []
    assert [each["task"] for each in studio.predictions] == [5]


def test_what_an_earlier_request_pushes_meanwhile_is_not_answered_too(
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predictor, "DELIVERY_MARGIN_S", 0)
    set_up(client)
    replay(client, 12)
    studio.held[UPLOAD] = threading.Event()
    studio.requests.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(replay, client, 12)
        wait_until(lambda: ("GET", UPLOAD) in studio.paths, what="an image is read")
        finish(settings)
        wait_until(lambda: deliver(settings) == 3, what="the predictions are pushed")
        studio.held[UPLOAD].set()
        assert stored_predictions(asked.result().get_json(), TASKS) == []
    assert len(studio.predictions) == 3


def test_a_task_whose_pushed_job_failed_has_an_error(
    client: FlaskClient, settings: Settings
) -> None:
    set_up(client)
    replay(client, 12)
    ledger = open_ledger(settings)
    (claim,) = ledger.claim(lanes_of(MODEL), owner="test", limit=1)
    ledger.fail([JobFailure(claim, "explainer_failed", "It was a test.")])
    errors = replay(client, 12).get_json()["errors"]
    assert errors == [{"task": task, "detail": "It was a test."} for task in (4, 5, 6)]


def test_a_request_wakes_one_dispatcher_for_all_its_tasks(
    client: FlaskClient, settings: Settings, valkey: RedisServer
) -> None:
    set_up(client)
    replay(client, 12)
    finish(settings)
    with valkey.client() as redis:
        before = redis.llen(DISPATCHER_QUEUE)
        replay(client, 12)
        assert redis.llen(DISPATCHER_QUEUE) == before + 1


def test_settings_of_pushes_are_stored_for_valid_requests_only(
    client: FlaskClient, settings: Settings
) -> None:
    store = open_store(settings)
    strict = settings.model_copy(update={"max_passes_per_request": 0})
    refused = replay(create_api(strict).flask.test_client(), 12)
    assert_problem(refused, 422, "too_many_passes")
    assert list(store.list_keys("label-studio-pushes/")) == []
    replay(client, 12)
    assert len(list(store.list_keys("label-studio-pushes/"))) == 1


@pytest.mark.parametrize(
    "document",
    [b"{}", b'{"model": "vgg17"}', b'{"label_config": "<View/>"}'],
    ids=["an invalid document", "a model that is gone", "a config without a control tag"],
)
def test_a_prediction_that_cannot_be_made_is_refused_and_delays_no_other(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio, valkey: Any, document: bytes
) -> None:
    store = open_store(settings)
    set_up(client)
    replay(client, 25)
    (key,) = store.list_keys("label-studio-pushes/")
    changed = json.loads(document)
    broken = json.loads(store.get(key)) | changed if changed else {}
    store.put(key, json.dumps(broken).encode(), content_type="application/json")
    set_up(client, threshold=0.5)
    replay(client, 25, tasks=TASKS[:1])
    for _ in range(2):
        finish(settings)
    assert deliver(settings) == 2
    assert [each["task"] for each in studio.predictions] == [4]
    webhooks = [record.webhook for record in pushed_jobs(settings, valkey) if record.webhook]
    (refused,) = [each for each in webhooks if each.state == "refused"]
    assert refused.detail == "The prediction cannot be made."


def test_a_push_without_time_sends_nothing(
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_up(client)
    replay(client, 25)
    finish(settings)
    studio.requests.clear()
    dispatcher = create_dispatcher(settings).dispatcher
    monkeypatch.setattr(push, "ASKING_TIMEOUT_S", 0)
    assert dispatcher.deliver() == 1
    assert studio.requests == []


def test_the_lease_of_a_dispatcher_is_enough_for_its_pushes() -> None:
    rounds = LEASE_LIMIT // REQUESTS_PER_ORIGIN
    assert rounds * push.PUSH_TIMEOUT_S * 1_000 <= LedgerPolicy().origin_lease_ms - 20_000
    making_s = push.PUSH_TIMEOUT_S - push.ASKING_TIMEOUT_S
    assert making_s >= push.DRAWING_TIMEOUT_S + STORE_TIMEOUT_S + 4


def test_nothing_is_pushed_into_an_open_editor(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    set_up(client)
    replay(client, 9)
    finish(settings)
    assert deliver(settings) == 0
    assert studio.predictions == []


class DyingOutbox:
    """The outbox of a dispatcher that dies before it can report."""

    def __init__(self, outbox: Outbox) -> None:
        self.lease_origin = outbox.lease_origin

    def report(self, *_: Any, **__: Any) -> None:
        raise LedgerUnavailable("The dispatcher is dead.")


def test_a_prediction_that_was_sent_and_not_reported_is_not_sent_again(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio, valkey: Any
) -> None:
    policy = LedgerPolicy(origin_lease_ms=50)
    outbox = RedisLedger(connect(settings.redis_url), policy=policy).outbox
    set_up(client)
    replay(client, 12)
    finish(settings)
    with pytest.raises(LedgerUnavailable):
        deliver(settings, DyingOutbox(outbox))  # type: ignore[arg-type]
    assert len(studio.predictions) == 3
    wait_until(lambda: deliver(settings, outbox) == 3, what="the lease ends")
    assert len(studio.predictions) == 3
    details = {record.webhook.detail for record in pushed_jobs(settings, valkey) if record.webhook}
    assert details == {"Label Studio has the prediction."}


def test_a_dispatcher_that_is_killed_between_post_and_answer_leaves_no_duplicate(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio, valkey: Any, tmp_path: Any
) -> None:
    set_up(client)
    replay(client, 25)
    finish(settings)
    studio.answering.clear()
    wakeups = WakeupPublisher(create_celery(settings.redis_url, lanes=[]))

    def is_delivered() -> bool:
        wakeups.notify_dispatchers(times=1)
        (record,) = pushed_jobs(settings, valkey)
        return record.webhook is not None and record.webhook.state == "delivered"

    with start_cluster(settings, tmp_path) as cluster:
        first = cluster.start_fast_dispatcher()
        wait_until(lambda: not is_delivered() and len(studio.predictions) == 1, what="it is stored")
        kill_tree(first)
        studio.answering.set()
        cluster.start_fast_dispatcher()
        wait_until(is_delivered, what="it is delivered")
    assert len(studio.predictions) == 1


def test_predictions_are_stored_one_at_a_time_because_sqlite_refuses_more(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    set_up(client)
    replay(client, 12)
    finish(settings)
    studio.answering.clear()

    def asked() -> int:
        return sum(path.startswith("/api/predictions/?task=") for _, path in studio.paths)

    with ThreadPoolExecutor(1) as pool:
        delivered = pool.submit(deliver, settings)
        wait_until(lambda: asked() == 3, what="the pushes of three tasks begin")
        studio.answering.set()
        assert delivered.result() == 3
    assert sorted(each["task"] for each in studio.predictions) == [4, 5, 6]
    assert open_ledger(settings).outbox.lease_origin(limit=1) is None


def test_a_task_that_was_deleted_is_refused_and_the_others_are_pushed(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio, valkey: Any
) -> None:
    set_up(client)
    studio.deleted_tasks.add(5)
    replay(client, 12)
    finish(settings)
    deliver(settings)
    assert sorted(each["task"] for each in studio.predictions) == [4, 6]
    states = sorted(r.webhook.state for r in pushed_jobs(settings, valkey) if r.webhook)
    assert states == ["delivered", "delivered", "refused"]


def test_a_label_studio_that_does_not_answer_is_tried_again(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio, valkey: Any
) -> None:
    set_up(client)
    replay(client, 25)
    finish(settings)
    down = settings.model_copy(update={"label_studio_url": "http://127.0.0.1:1"})
    assert deliver(down) == 1
    (record,) = pushed_jobs(settings, valkey)
    assert record.webhook is not None
    assert (record.webhook.state, record.webhook.attempts) == ("pending", 1)
    assert "127.0.0.1" not in (record.webhook.detail or "")
    assert studio.predictions == []


def test_no_client_can_name_the_url_of_a_push(client: FlaskClient, cat: bytes) -> None:
    response = submit_image(client, cat, webhook="labelstudio://127.0.0.1:8080/tasks/1")
    assert_problem(response, 422, "invalid_request")


def test_a_dispatcher_needs_something_to_deliver() -> None:
    with pytest.raises(SettingsError, match="SEEWHY_LABEL_STUDIO_URL"):
        create_dispatcher(load({}))
