"""Predictions that are pushed to Label Studio when they finish after the answer."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from http_api import assert_problem, submit_image
from label_studio_requests import UPLOAD, finish, replay, set_up
from label_studio_rules import check_results, recording, stored_predictions
from seewhy.broker.wakeups import WakeupPublisher, create_celery
from seewhy.errors import LedgerUnavailable, SettingsError
from seewhy.ledger.ports.outbox import Outbox
from seewhy.ledger.redis.client.connection import connect
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.ledger.types import JobRecord, LedgerPolicy
from seewhy.settings import Settings, load
from seewhy_api.webhooks.app import create_dispatcher
from servers.label_studio import PERSONAL_TOKEN, FakeLabelStudio, label_studio
from servers.process_cluster import kill_tree, start_cluster
from servers.waiting import wait_until

TASKS = recording(12)["body"]["tasks"]
LABEL_CONFIG = recording(12)["body"]["label_config"]


@pytest.fixture
def studio(cat: bytes) -> Iterator[FakeLabelStudio]:
    """A Label Studio with the recorded upload."""
    with label_studio() as fake:
        fake.uploads[UPLOAD] = cat
        yield fake


@pytest.fixture
def settings_overrides(studio: FakeLabelStudio) -> dict[str, Any]:
    return {"label_studio_url": studio.url, "label_studio_api_key": PERSONAL_TOKEN}


def deliver(settings: Settings, outbox: Outbox | None = None) -> int:
    """Deliver what is due, and return the number of attempts."""
    return create_dispatcher(settings, outbox=outbox).dispatcher.deliver()


def pushed_jobs(settings: Settings, valkey: Any) -> list[JobRecord]:
    """Return the records of the jobs that are pushed."""
    with valkey.client() as client:
        ids = [key.rpartition(":")[2] for key in client.keys("seewhy:job:*")]
    records = [open_ledger(settings).read(job_id) for job_id in ids]
    return [record for record in records if record and record.webhook]


def test_a_batch_is_pushed_once_and_not_answered(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
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
    # Once they were delivered, somebody may have deleted them: they are answered at once.
    assert len(stored_predictions(replay(client, 12).get_json(), TASKS)) == 3
    assert deliver(settings) == 0


def test_a_single_task_that_is_not_ready_in_time_is_pushed_and_computed_once(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    set_up(client)
    assert replay(client, 25).get_json()["results"] == [[]]
    finish(settings)
    assert deliver(settings) == 1
    (prediction,) = studio.predictions
    assert prediction["task"] == 5


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
        wait_until(lambda: len(studio.predictions) + is_delivered() == 1, what="it is stored")
        kill_tree(first)
        studio.answering.set()
        cluster.start_fast_dispatcher()
        wait_until(is_delivered, what="it is delivered")
    assert len(studio.predictions) == 1


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
    with pytest.raises(SettingsError, match="SEEWHY_LABEL_STUDIO_API_KEY"):
        create_dispatcher(load({}, label_studio_url="http://127.0.0.1:8080"))
