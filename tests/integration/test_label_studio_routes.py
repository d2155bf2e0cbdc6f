"""The ML backend of Label Studio, asked as it was recorded, with a fake Label Studio for images."""

import gc
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from http_api import MODEL, assert_problem, finish_next_job
from label_studio_requests import (
    ALIAS,
    SLOW_UPLOAD,
    UPLOAD,
    WHOLE,
    finish,
    replay,
    replay_and_finish,
    set_up,
)
from label_studio_rules import check_results, recorded_numbers, recording, stored_predictions
from seewhy.annotations.label_studio.results import decode_result
from seewhy.annotations.shapes import mask_of
from seewhy.jobs.image_sources import SentImage
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import lanes_of
from seewhy.schemas.job import Job
from seewhy.settings import Settings, load
from seewhy_api.app import Api, create_api
from seewhy_api.label_studio import predictor
from seewhy_api.label_studio.predictor import SUBMISSIONS_AT_ONCE
from servers.label_studio import LEGACY_TOKEN, FakeLabelStudio
from servers.receivers import hang, receiving
from servers.waiting import wait_until


@pytest.fixture
def settings_overrides(studio: FakeLabelStudio) -> dict[str, Any]:
    return studio.settings


def results_by_control(answer: Any) -> dict[str, Any]:
    """Return the results of the first task by the name of their control tag."""
    return {result["from_name"]: result for result in answer["results"][0]["result"]}


def test_health_versions_and_webhooks_answer_as_they_were_recorded(client: FlaskClient) -> None:
    assert replay(client, 2).get_json() == {"status": "UP", "model_class": "seewhy"}
    assert replay(client, 8).get_json() == {"versions": []}
    for number in (13, 19):
        assert replay(client, number).get_json() == {"status": "ok"}
    version = set_up(client)
    assert replay(client, 8).get_json() == {"versions": [version]}


def test_every_recorded_request_has_an_answer_that_label_studio_takes(
    client: FlaskClient, studio: FakeLabelStudio
) -> None:
    studio.accepts_legacy = True
    version = set_up(client)
    for number in recorded_numbers():
        path, sent = recording(number)["path"], recording(number)["body"]
        # The recorded parameter is for another backend.
        changes = {"extra_params": None} if path == "/setup" else {}
        response = replay(client, number, **changes)
        assert response.status_code == 200, (number, response.get_data(as_text=True))
        answer = response.get_json()
        if path == "/setup":
            assert isinstance(answer["model_version"], str)
            assert set_up(client) == version
        if path == "/predict":
            assert (answer["model_version"], answer["errors"]) == (version, [])
            assert len(answer["results"]) == len(sent["tasks"])


def test_setup_is_repeatable_and_reports_labels_without_a_class(client: FlaskClient) -> None:
    extra = json.dumps({"alias": ALIAS})
    answers = [replay(client, number, extra_params=extra).get_json() for number in (3, 24)]
    assert answers[0] == answers[1]
    assert answers[0]["unmapped_labels"] == ["no tumor"]
    assert set_up(client, threshold=0.5) != answers[0]["model_version"]


def test_setup_refuses_mistakes_in_a_sentence(client: FlaskClient) -> None:
    detail = assert_problem(replay(client, 3), 422, "invalid_request")
    assert detail == "The extra parameters of the ML backend: k: Extra inputs are not permitted."
    unknown = replay(client, 3, extra_params='{"model": "vgg17"}')
    assert "unknown model 'vgg17'" in assert_problem(unknown, 422, "unknown_model")
    for extra, code, reason in (
        ({"layer": "conv9"}, "unknown_layer", "has no layer 'conv9'; choose from: "),
        ({"method": "gradcan"}, "unknown_method", "has no method 'gradcan'; choose from: "),
        ({"alias": {"lesson": "*"}}, "invalid_request", "the label config has no label 'lesson'."),
    ):
        refused = replay(client, 3, extra_params=json.dumps(extra))
        assert reason in assert_problem(refused, 422, code)
    assert_problem(replay(client, 3, access_token="a\nb"), 422, "invalid_request")  # noqa: S106
    large = replay(client, 3, extra_params=" " * 65_537 + "{}")
    detail = assert_problem(large, 413, "request_too_large")
    assert detail == "The extra parameters have more than 65,536 bytes or 2,500 values."
    broken = replay(client, 3, schema="<View>", extra_params="")
    assert "The label config is not valid XML" in assert_problem(broken, 422, "invalid_request")


def test_the_status_line_of_a_refusal_says_what_is_wrong_in_a_line_of_ascii(
    client: FlaskClient,
) -> None:
    alias = {"alias": {"tumor": "kät\r\nSet-Cookie: a=b"}}
    refused = replay(client, 3, extra_params=json.dumps(alias))
    assert_problem(refused, 422, "unknown_class")
    assert refused.status.startswith("422 ")
    assert "k t" in refused.status
    assert refused.status.isascii()
    assert refused.status.isprintable()
    long = replay(client, 3, extra_params=json.dumps({"x" * 200 + str(n): 1 for n in range(9)}))
    assert 200 < len(long.status) <= 304
    assert replay(client, 3, extra_params={}).status == "200 OK"


def test_health_setup_and_versions_answer_while_the_servers_hang() -> None:
    with receiving(hang) as redis, receiving(hang) as store:
        settings = load(
            {},
            redis_url=f"redis://127.0.0.1:{redis.port}/0",
            s3_endpoint=f"http://127.0.0.1:{store.port}",
            s3_access_key_id="a",
            s3_secret_access_key="b",  # noqa: S106
            auth="none",  # a key that the process has not seen is read from the store
        )
        client = create_api(settings).flask.test_client()
        for _ in range(3):
            assert replay(client, 2).status_code == 200
            version = set_up(client)
            assert replay(client, 8).get_json() == {"versions": [version]}


def test_the_prediction_shows_the_class_its_box_its_mask_and_its_peak(
    client: FlaskClient, settings: Settings
) -> None:
    set_up(client, wait_s=30)
    results = results_by_control(replay_and_finish(client, settings, 20).get_json())
    assert results["cls"]["value"] == {"choices": ["tumor"]}
    assert results["cls"]["score"] == 0.5
    (box,) = decode_result(results["box"])
    assert (box.label, box.score) == ("lesion", 0.5)
    assert box.box is not None
    assert (box.box.x, box.box.y) == (0, 0)
    assert 0.5 < box.box.width / 451 < 0.6
    (brush,) = decode_result(results["brush"])
    mask = mask_of(brush)
    assert mask.shape == (300, 451)
    rows, columns = np.nonzero(mask)
    assert (rows.max() + 1, columns.max() + 1) == pytest.approx((box.box.height, box.box.width))
    (peak,) = decode_result(results["kp"])
    assert peak.point is not None
    assert mask[int(peak.point.y), int(peak.point.x)]


def test_an_editor_gets_no_regions_while_there_are_none_and_the_result_later_at_once(
    client: FlaskClient, settings: Settings
) -> None:
    version = set_up(client)
    assert replay(client, 9).get_json()["results"] == [{"model_version": version, "result": []}]
    finish(settings)
    answer = replay(client, 9).get_json()
    check_results(answer["results"][0]["result"], recording(9)["body"]["label_config"])
    assert set(results_by_control(answer)) == {"cls", "box", "brush", "kp"}


def test_a_task_that_is_not_ready_is_not_stored_so_label_studio_asks_again(
    client: FlaskClient,
) -> None:
    set_up(client)
    body = recording(25)["body"]
    answer = replay(client, 25).get_json()
    assert answer["results"] == [[]]
    assert stored_predictions(answer, body["tasks"]) == []


def test_a_drawn_region_selects_the_class_of_its_label(
    client: FlaskClient, settings: Settings
) -> None:
    set_up(client, alias={"point": "golden retriever"})
    replay(client, 9)
    (claim,) = open_ledger(settings).claim(lanes_of(MODEL), owner="test", limit=1)
    job = Job.model_validate_json(claim.job)
    assert job.targets == (207,)
    assert job.metadata == {"label_studio": {"project": "4.1795378037", "task": 4}}


@pytest.mark.parametrize(
    ("alias", "targets"), [("*", (-1, -2, -3, -4, -5)), (["tabby", "tiger cat"], (281,))]
)
def test_a_drawn_region_whose_label_names_no_class_has_five_explained(
    client: FlaskClient, settings: Settings, alias: Any, targets: tuple[int, ...]
) -> None:
    set_up(client, alias={"point": alias})
    replay(client, 9)
    (claim,) = open_ledger(settings).claim(lanes_of(MODEL), owner="test", limit=1)
    assert Job.model_validate_json(claim.job).targets == targets


@pytest.mark.parametrize(("is_mirrored", "shown"), [(False, "no tumor"), (True, "tumor")])
def test_the_place_of_a_drawn_point_selects_the_class_that_is_shown(
    client: FlaskClient, settings: Settings, is_mirrored: bool, shown: str
) -> None:
    """The recorded point is at 30 % of the width and 40 % of the height."""
    set_up(client, alias={"tumor": "tiger cat", "no tumor": "Persian cat", "point": "*"})
    replay(client, 9)
    signed = np.zeros((2, 8, 8), np.float32)
    signed[0, :, 4:] = 2
    signed[1, :, :4] = 1
    if is_mirrored:
        signed = signed[:, :, ::-1].copy()
    finish_next_job(settings, map_=signed, covers=WHOLE)
    results = results_by_control(replay(client, 9).get_json())
    assert results["cls"]["value"] == {"choices": [shown]}


def test_a_personal_token_is_exchanged_once_and_again_when_it_has_expired(
    client: FlaskClient, studio: FakeLabelStudio
) -> None:
    set_up(client)
    for _ in range(2):
        assert replay(client, 25).get_json()["errors"] == []
    assert len(studio.access_tokens) == 1
    studio.access_tokens.append("another")  # as if the first had expired
    assert replay(client, 25).get_json()["errors"] == []
    assert studio.access_tokens[2:] == ["access.2.token"]


def test_a_task_of_an_absolute_url_of_label_studio_is_read_with_the_token(
    client: FlaskClient, studio: FakeLabelStudio
) -> None:
    set_up(client)
    tasks = [{"id": 1, "data": {"image": f"{studio.url}{UPLOAD}"}}]
    assert replay(client, 12, tasks=tasks).get_json()["errors"] == []


class TestWithoutAnApiKey:
    """The token of the setup is the second choice, and nothing is pushed."""

    @pytest.fixture
    def settings_overrides(self, studio: FakeLabelStudio) -> dict[str, Any]:
        return {"label_studio_url": studio.url}

    def test_a_batch_has_an_entry_for_each_task_and_stores_each_prediction_once(
        self, client: FlaskClient, settings: Settings, studio: FakeLabelStudio
    ) -> None:
        studio.accepts_legacy = True
        version = set_up(client)
        body = recording(12)["body"]
        answer = replay_and_finish(
            client, settings, 12
        ).get_json()  # one image, so one job computes
        stored = stored_predictions(answer, body["tasks"])
        assert [each["task"] for each in stored] == [4, 5, 6]
        assert {each["model_version"] for each in stored} == {version}
        assert {each["score"] for each in stored} == {0.5}
        for prediction in stored:
            check_results(prediction["result"], body["label_config"])
        ids = [result["id"] for prediction in stored for result in prediction["result"]]
        assert len(set(ids)) == len(ids) == 12
        assert (answer["errors"], answer["unmapped_labels"]) == ([], ["no tumor"])

    def test_a_batch_keeps_no_image_that_it_has_submitted(
        self, client: FlaskClient, settings: Settings, studio: FakeLabelStudio
    ) -> None:
        studio.accepts_legacy = True
        set_up(client)
        kept: list[int] = []

        class Uploads(dict[str, bytes]):
            def __getitem__(self, path: str) -> bytes:
                kept.append(sum(isinstance(each, SentImage) for each in gc.get_objects()))
                return super().__getitem__(path)

        studio.uploads = Uploads(studio.uploads)
        tasks = [{"id": n, "data": {"image": UPLOAD}} for n in range(3 * SUBMISSIONS_AT_ONCE)]
        replay_and_finish(client, settings, 12, tasks=tasks)
        assert len(kept) == len(tasks)
        assert max(kept) <= SUBMISSIONS_AT_ONCE

    def test_a_batch_makes_no_predictions_after_its_time(
        self,
        client: FlaskClient,
        settings: Settings,
        studio: FakeLabelStudio,
        cat: bytes,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        studio.accepts_legacy = True
        set_up(client)
        replay_and_finish(client, settings, 12)
        monkeypatch.setattr(predictor, "BATCH_WAIT_S", 0.5)
        studio.uploads[SLOW_UPLOAD] = cat
        studio.held[SLOW_UPLOAD] = threading.Event()
        tasks = [{"id": n, "data": {"image": path}} for n, path in enumerate((SLOW_UPLOAD, UPLOAD))]
        studio.requests.clear()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(replay, client, 12, tasks=tasks)
            wait_until(lambda: len(studio.requests) == 2, what="the images are read")
            late_s = time.monotonic() + predictor.BATCH_WAIT_S
            wait_until(lambda: time.monotonic() > late_s, what="the time of the batch is up")
            studio.held[SLOW_UPLOAD].set()
            assert asked.result().get_json()["results"] == [[], []]

    def test_a_task_that_fails_does_not_fail_the_others(
        self, client: FlaskClient, settings: Settings, studio: FakeLabelStudio
    ) -> None:
        studio.accepts_legacy = True
        version = set_up(client)
        studio.uploads["/data/upload/4/broken.png"] = b"no image"
        references = (
            UPLOAD, "/data/upload/4/none.png", "/data/upload/4/broken.png", "/api/users/",
            "/data/../api/users/", f"{studio.url}/api/users/", "http://169.254.169.254/latest",
            "s3://unknown/cat.jpg", 7,
        )  # fmt: skip
        tasks = [{"id": n, "data": {"image": each}} for n, each in enumerate(references)]
        answer = replay_and_finish(client, settings, 12, tasks=tasks).get_json()
        (stored,) = stored_predictions(answer, tasks)
        assert (stored["task"], stored["model_version"]) == (0, version)
        details = {error["task"]: error["detail"] for error in answer["errors"]}
        assert sorted(details) == [1, 2, 3, 4, 5, 6, 7, 8]
        assert details[1] == "Label Studio answered 404 for the image."
        assert "not JPEG, PNG or WebP" in details[2]
        assert details[8] == "The task has no text in the field 'image'."
        assert not [path for _, path, _ in studio.requests if "users" in path]

    def test_the_legacy_token_of_the_setup_reads_uploads(
        self, client: FlaskClient, studio: FakeLabelStudio
    ) -> None:
        studio.accepts_legacy = True
        set_up(client)
        assert replay(client, 25).get_json()["errors"] == []
        assert studio.requests == [("GET", UPLOAD, f"Token {LEGACY_TOKEN}")]

    def test_a_refused_token_says_what_the_operator_sets(self, client: FlaskClient) -> None:
        set_up(client)
        (error,) = replay(client, 25).get_json()["errors"]
        assert "SEEWHY_LABEL_STUDIO_API_KEY" in error["detail"]


class TestWithFewThreads:
    """Requests for predictions wait, and hold their threads."""

    @pytest.fixture
    def settings_overrides(self, studio: FakeLabelStudio) -> dict[str, Any]:
        return studio.settings | {"api_threads": 8}

    def test_requests_for_predictions_leave_threads_to_others(
        self, client: FlaskClient, settings: Settings, studio: FakeLabelStudio
    ) -> None:
        set_up(client, wait_s=30)
        app = client.application
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(replay, app.test_client(), 20)
            wait_until(lambda: ("GET", UPLOAD) in studio.paths, what="the first one is served")
            second = replay(client, 20)
            finish(settings)
            assert first.result().status_code == 200
        assert_problem(second, 503, "too_many_predictions")
        assert second.headers["Retry-After"] == "10"
        assert replay(client, 20).status_code == 200


class TestWithoutALabelStudio:
    """A setup names its Label Studio, but anybody could send it."""

    @pytest.fixture
    def settings_overrides(self) -> dict[str, Any]:
        return {}

    def test_no_token_is_sent_to_the_host_that_a_setup_names(
        self, client: FlaskClient, studio: FakeLabelStudio
    ) -> None:
        replay(client, 3, hostname=studio.url, extra_params="")
        (error,) = replay(client, 25).get_json()["errors"]
        assert "SEEWHY_LABEL_STUDIO_URL" in error["detail"]
        assert studio.requests == []


def test_the_options_of_a_project_reach_the_other_processes(
    client: FlaskClient, api: Api, settings: Settings
) -> None:
    set_up(client, alias={"point": "golden retriever"})
    other = create_api(settings).flask.test_client()

    def has_arrived() -> bool:
        return "point" not in replay(other, 9).get_json()["unmapped_labels"]

    wait_until(has_arrived, what="the options are stored")


@pytest.mark.parametrize(
    "changes",
    [
        {"tasks": []},
        {"tasks": [{"data": {}}] * 10_001},
        {"tasks": [{"id": True, "data": {}}]},
        {"label_config": "<View>"},
        {"params": 1},
    ],
)
def test_a_malformed_request_is_refused_without_a_traceback(
    client: FlaskClient, changes: dict[str, Any]
) -> None:
    assert_problem(replay(client, 12, **changes), 422, "invalid_request")


def test_a_body_of_too_many_values_is_refused(client: FlaskClient) -> None:
    response = replay(client, 12, params=[0] * 1_000_000)
    assert "Select fewer tasks" in assert_problem(response, 413, "request_too_large")


class TestWithARefusedAccessToken:
    """Somebody has revoked it in Label Studio."""

    @pytest.fixture
    def settings_overrides(self, studio: FakeLabelStudio) -> dict[str, Any]:
        return {"label_studio_url": studio.url, "label_studio_api_key": "revoked.x.y"}

    def test_the_legacy_token_of_the_setup_reads_uploads(
        self, client: FlaskClient, studio: FakeLabelStudio
    ) -> None:
        set_up(client)
        (error,) = replay(client, 25).get_json()["errors"]
        assert error["detail"].startswith("Label Studio refuses the token (401). The operator sets")
        studio.accepts_legacy = True
        assert replay(client, 25).get_json()["errors"] == []
