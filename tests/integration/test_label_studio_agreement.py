"""What people annotate in Label Studio is explained, compared with the evidence, and ranked."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from http_api import assert_problem, submit_image
from label_studio_annotations import (
    CHOICE,
    LOWER_RIGHT,
    PROJECT,
    UPPER_LEFT,
    annotate,
    measure,
    ranking,
    rectangle,
    region,
    scores,
    wait_for_empty_inbox,
)
from label_studio_requests import replay
from seewhy.annotations.label_studio.brush_rle import encode_brush
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.schemas.job import Job
from seewhy.settings import Settings
from seewhy_api.app import Api
from seewhy_api.label_studio.agreements import AgreementStore
from servers.label_studio import FakeLabelStudio

pytestmark = pytest.mark.usefixtures("label_studio_project")


@pytest.fixture
def settings_overrides(studio: FakeLabelStudio) -> dict[str, Any]:
    return studio.settings


def test_the_right_class_for_the_wrong_reason_comes_first(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    boxes = {4: UPPER_LEFT, 5: LOWER_RIGHT, 6: (25, 0, 50, 50)}
    for task, box in boxes.items():
        annotate(client, CHOICE, rectangle(box), annotation=10 + task, task=task)
        assert measure(settings) == 1
    worst, middle, best = ranking(client)
    assert [one["task"] for one in (worst, middle, best)] == [5, 6, 4]
    assert worst["target"]["label"] == "tiger cat"
    assert worst["is_predicted"] is True
    assert worst["agreement"]["energy_inside"] == 0
    assert worst["agreement"]["pointing_hit"] is False
    assert worst["agreement"]["coverage"] == pytest.approx(0.25, abs=0.01)
    assert best["agreement"]["energy_inside"] == pytest.approx(1, abs=0.01)
    assert best["agreement"]["iou"] > 0.8
    assert scores(studio) == {
        task: pytest.approx(energy, abs=0.01) for task, energy in ((4, 1), (5, 0), (6, 0.5))
    }
    assert ranking(client, "?limit=1") == [worst]
    listed = client.get(PROJECT.replace("agreements", "summaries")).get_json()["summaries"]
    assert [one["key"] for one in listed] == ["task 5", "task 6", "task 4"]
    (part,) = [p for p in listed[0]["suspicion"]["parts"] if p["reason"] == "annotation"]
    assert part["words"] == "Only 0 % of the evidence is inside the annotation"
    of_worst = client.get(f"/v1/explanations/{worst['explanation']}/agreement")
    assert of_worst.get_json() == worst


def test_the_annotated_class_is_explained_whatever_the_model_predicts(
    client: FlaskClient, settings: Settings
) -> None:
    annotate(client, CHOICE, rectangle(UPPER_LEFT))
    measure(settings)
    annotate(client, rectangle(UPPER_LEFT), task=5, annotation=3)  # `lesion` names no class
    measure(settings)
    jobs = {
        one["task"]: Job.model_validate_json(present_job(settings, one["explanation"])).targets
        for one in ranking(client)
    }
    assert jobs[4] != jobs[5]
    assert "282" in str(jobs[4])


def present_job(settings: Settings, job_id: str) -> str:
    record = open_ledger(settings).read(job_id)
    assert record is not None
    return record.job


def test_masks_polygons_and_rotated_boxes_are_compared(
    client: FlaskClient, settings: Settings
) -> None:
    mask = np.zeros((300, 451), np.bool_)
    mask[:150, :225] = True
    brush = region("brushlabels", format="rle", rle=encode_brush(mask))
    turned = rectangle((50, 0, 33, 75))
    turned["value"]["rotation"] = 90  # about its corner: now the upper left half
    for task, shape in enumerate((brush, turned), start=4):
        annotate(client, CHOICE, shape, annotation=task, task=task)
        measure(settings)
    assert [one["agreement"]["energy_inside"] > 0.95 for one in ranking(client)] == [True, True]


def test_a_changed_annotation_replaces_its_agreement_in_any_order(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    annotate(client, CHOICE, rectangle(LOWER_RIGHT), second=2, number=17)
    measure(settings)
    annotate(client, CHOICE, rectangle(UPPER_LEFT), second=1)  # arrives late
    measure(settings)
    (kept,) = ranking(client)
    assert kept["agreement"]["energy_inside"] == 0
    annotate(client, CHOICE, rectangle(UPPER_LEFT), second=3, number=17)
    measure(settings)
    (kept,) = ranking(client)
    assert kept["agreement"]["energy_inside"] > 0.95
    assert scores(studio) == {4: pytest.approx(1, abs=0.01)}


def test_the_lowest_agreement_of_a_task_is_its_score(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    for annotation, box in ((7, LOWER_RIGHT), (8, UPPER_LEFT)):
        annotate(client, CHOICE, rectangle(box), annotation=annotation)
        measure(settings)
    assert scores(studio) == {4: 0}
    replay(client, 19, annotations=[{"id": 7}])
    wait_for_empty_inbox(settings)
    assert scores(studio) == {4: pytest.approx(1, abs=0.01)}
    replay(client, 19, annotations=[{"id": 8}])
    wait_for_empty_inbox(settings)
    assert scores(studio) == {}
    assert ranking(client) == []


def test_without_shapes_or_when_skipped_there_is_no_agreement(
    client: FlaskClient, settings: Settings, studio: FakeLabelStudio
) -> None:
    annotate(client, CHOICE, rectangle(LOWER_RIGHT))
    measure(settings)
    annotate(client, CHOICE, second=1, number=17)
    wait_for_empty_inbox(settings)
    assert (ranking(client), scores(studio)) == ([], {})
    annotate(client, CHOICE, rectangle(LOWER_RIGHT), second=2, was_cancelled=True)
    assert measure(settings) == 0
    assert ranking(client) == []


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (rectangle(LOWER_RIGHT) | {"original_width": 450}, "does not have the size"),
        (rectangle((200, 200, 10, 10)), "marks no pixel"),
        (rectangle((0, 0, 10, 10)) | {"image_rotation": 90}, "image_rotation must be 0"),
        (region("brushlabels", format="rle", rle=[1, 2]), "truncated"),
    ],
    ids=["another size", "outside", "turned", "a broken mask"],
)
def test_an_annotation_that_cannot_be_compared_is_explained_in_a_sentence(
    client: FlaskClient,
    settings: Settings,
    studio: FakeLabelStudio,
    valkey: Any,
    shape: dict[str, Any],
    reason: str,
) -> None:
    annotate(client, CHOICE, rectangle(UPPER_LEFT))
    measure(settings)
    assert len(scores(studio)) == 1
    with valkey.client() as redis:
        earlier = redis.keys("{seewhy}:job:*")
    annotate(client, CHOICE, shape, second=1, number=17)
    measure(settings)
    assert (ranking(client), scores(studio)) == ([], {})
    with valkey.client() as redis:
        (key,) = set(redis.keys("{seewhy}:job:*")).difference(earlier)
    detail = assert_problem(
        client.get(f"/v1/explanations/{key.rpartition(':')[2]}/agreement"), 409, "result_not_ready"
    )
    assert reason in detail


def test_explanations_without_an_annotation_have_no_agreement(
    client: FlaskClient, cat: bytes
) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    refused = client.get(f"/v1/explanations/{job_id}/agreement")
    assert "Label Studio's webhook" in assert_problem(refused, 422, "invalid_request")


def test_one_ranking_of_a_tenant_is_made_at_a_time(
    client: FlaskClient, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended, worst = threading.Event(), threading.Event(), AgreementStore.worst

    def rank_slowly(store: AgreementStore, *args: Any, **kwargs: Any) -> Any:
        begun.set()
        assert ended.wait(20)
        return worst(store, *args, **kwargs)

    monkeypatch.setattr(AgreementStore, "worst", rank_slowly)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(api.flask.test_client().get, PROJECT)
        assert begun.wait(20)
        assert_problem(client.get(PROJECT), 503, "too_many_listings")
        ended.set()
        assert running.result(20).status_code == 200
    assert client.get(PROJECT).status_code == 200
