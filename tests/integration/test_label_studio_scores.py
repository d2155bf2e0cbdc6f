"""The agreement of a task in Label Studio, which several processes write, and deletions."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from label_studio_annotations import (
    CHOICE,
    LOWER_RIGHT,
    UPPER_LEFT,
    annotate,
    measure,
    ranking,
    rectangle,
    scores,
    wait_for_empty_inbox,
)
from label_studio_requests import finish, finish_waiting, replay
from label_studio_rules import recording
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import Api
from seewhy_api.label_studio import (
    agreements,
    annotation_events,
    annotation_jobs,
    deleted_annotations,
)
from seewhy_api.label_studio.annotation_events import StoredEvent
from seewhy_api.label_studio.task_scores import AGREEMENT_VERSION, TaskScores
from seewhy_api.webhooks.app import create_dispatcher
from servers.label_studio import FakeLabelStudio

pytestmark = pytest.mark.usefixtures("label_studio_project")

HALF = (25, 0, 50, 50)


@pytest.fixture
def settings_overrides(studio: FakeLabelStudio) -> dict[str, Any]:
    return studio.settings


@pytest.mark.parametrize(
    ("others", "late"), [([UPPER_LEFT], "PATCH"), ([], "DELETE")], ids=["a change", "a removal"]
)
def test_a_late_write_of_the_api_does_not_undo_that_of_the_dispatcher(
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    monkeypatch: pytest.MonkeyPatch,
    others: list[tuple[int, int, int, int]],
    late: str,
) -> None:
    for annotation, box in enumerate([LOWER_RIGHT, *others], start=7):
        annotate(client, CHOICE, rectangle(box), annotation=annotation)
        measure(settings)
    assert scores(studio) == {4: 0}
    annotate(client, CHOICE, rectangle(HALF), annotation=9)
    wait_for_empty_inbox(settings)
    finish_waiting(settings)
    send, delayed = TaskScores._send, list[str]()

    def send_late(self: TaskScores, method: str, *args: Any, **kwargs: Any) -> None:
        if not delayed:
            delayed.append(method)
            assert create_dispatcher(settings).dispatcher.deliver() == 1
        send(self, method, *args, **kwargs)

    monkeypatch.setattr(TaskScores, "_send", send_late)
    replay(client, 19, annotations=[{"id": 7}])
    wait_for_empty_inbox(settings)
    assert delayed == [late]
    assert scores(studio) == {4: pytest.approx(0.5, abs=0.01)}


def test_of_two_predictions_of_a_task_the_older_one_is_left(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    for prediction in (2, 1):
        studio.predictions.append(
            {"id": prediction, "task": 4, "model_version": AGREEMENT_VERSION, "score": 1}
        )
    annotate(client, CHOICE, rectangle(LOWER_RIGHT))
    measure(settings)
    assert [(one["id"], one["score"]) for one in studio.predictions] == [(1, 0)]


def test_a_label_studio_that_starts_anew_meets_no_earlier_agreements_and_deletions(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    for annotation in (2, 3):
        annotate(client, CHOICE, rectangle(LOWER_RIGHT), annotation=annotation)
        measure(settings)
    replay(client, 19, annotations=[{"id": 3}])
    wait_for_empty_inbox(settings)
    studio.predictions.clear()
    anew = {"created_at": "2026-12-01T08:00:00Z"}
    annotate(client, CHOICE, rectangle(UPPER_LEFT), annotation=3, task=4, project=anew)
    measure(settings)
    assert [(one["task"], one["annotation"]) for one in ranking(client)] == [(4, 3)]
    assert scores(studio) == {4: pytest.approx(1, abs=0.01)}
    replay(client, 19, annotations=[{"id": 3}])  # of the earlier project, and late
    wait_for_empty_inbox(settings)
    assert len(ranking(client)) == 1
    replay(client, 19, annotations=[{"id": 3}], project=recording(19)["body"]["project"] | anew)
    wait_for_empty_inbox(settings)
    assert scores(studio) == {}


def test_a_deletion_of_many_annotations_writes_one_object_and_counts_for_each(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    most = annotation_events.MAX_DELETED
    annotate(client, CHOICE, rectangle(LOWER_RIGHT), annotation=most)
    annotate(client, CHOICE, rectangle(UPPER_LEFT), annotation=most + 1)
    wait_for_empty_inbox(settings)
    store = open_store(settings)
    before = set(store.list_keys("label-studio-agreements/"))
    for _ in range(2):
        replay(client, 19, annotations=[{"id": each + 1} for each in range(most)])
        wait_for_empty_inbox(settings)
    assert len(set(store.list_keys("label-studio-agreements/")) - before) == 1
    finish(settings)
    assert create_dispatcher(settings).dispatcher.deliver() == 2
    assert [one["annotation"] for one in ranking(client)] == [most + 1]
    assert scores(studio) == {4: pytest.approx(1, abs=0.01)}


def test_the_lists_of_deleted_annotations_of_a_project_are_limited(
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(deleted_annotations, "MAX_LISTS", 1)
    annotate(client, CHOICE, rectangle(LOWER_RIGHT), annotation=30)
    measure(settings)
    for first in (1, 21):
        replay(client, 19, annotations=[{"id": first + each} for each in range(20)])
        wait_for_empty_inbox(settings)
    assert "not one more" in caplog.text
    assert (ranking(client), scores(studio)) == ([], {})


def test_a_deletion_of_many_tasks_takes_turns_and_forgets_all(
    api: Api,
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for task in (4, 5, 6):
        annotate(client, CHOICE, rectangle(LOWER_RIGHT), annotation=task, task=task)
        measure(settings)
    inbox, ended = api.annotations, list[bool]()
    assert inbox is not None
    handle = inbox._handle

    def record(stored: StoredEvent) -> bool:
        ended.append(handle(stored))
        return ended[-1]

    monkeypatch.setattr(inbox, "_handle", record)
    monkeypatch.setattr(annotation_jobs, "EVENT_TIME_S", 0)
    replay(client, 19, annotations=[{"id": task} for task in (4, 5, 6)])
    wait_for_empty_inbox(settings)
    assert ended == [False, False, True]
    assert (ranking(client), scores(studio)) == ([], {})


def test_a_task_has_a_limited_number_of_agreements(
    client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreements, "MAX_OF_TASK", 2)
    for annotation in (7, 8, 9):
        annotate(client, CHOICE, rectangle(LOWER_RIGHT), annotation=annotation)
        assert measure(settings) == 1
    assert {one["annotation"] for one in ranking(client)} == {7, 8}
    annotate(client, CHOICE, rectangle(UPPER_LEFT), annotation=7, second=5, number=17)
    measure(settings)
    changed = {one["annotation"]: one["agreement"]["energy_inside"] for one in ranking(client)}
    assert changed == {7: pytest.approx(1, abs=0.01), 8: 0}
    annotate(client, CHOICE, annotation=9, second=5, number=17)
    wait_for_empty_inbox(settings)
    annotate(client, CHOICE, rectangle(UPPER_LEFT), annotation=9, task=5)
    measure(settings)
    assert {one["task"] for one in ranking(client)} == {4, 5}
