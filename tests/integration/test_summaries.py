"""The routes that list summaries of explanations."""

import numpy as np
import pytest
from flask.testing import FlaskClient

from batch_requests import accepted_batch, item
from http_api import LABELS, MAP, MODEL, assert_problem, finish_next_job, submit_image
from seewhy.ids import new_job_id
from seewhy.settings import Settings
from seewhy_api.app import Api


def submit(client: FlaskClient, image: bytes) -> str:
    job_id: str = submit_image(client, image, cache=False).get_json()["id"]
    return job_id


def listed(client: FlaskClient, path: str) -> tuple[list[str], str | None]:
    body = client.get(path).get_json()
    return [summary["id"] for summary in body["summaries"]], body["next"]


def test_the_latest_explanations_are_listed_in_pages(client: FlaskClient, cat: bytes) -> None:
    assert listed(client, "/v1/summaries") == ([], None)
    newest = sorted((submit(client, cat) for _ in range(3)), reverse=True)
    assert listed(client, "/v1/summaries") == (newest, None)
    assert listed(client, "/v1/summaries?limit=2") == (newest[:2], newest[1])
    assert listed(client, f"/v1/summaries?limit=2&before={newest[1]}") == (newest[2:], None)


def test_a_summary_says_what_was_explained_and_why_to_look(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    job_id = submit(client, cat)
    finish_next_job(settings, map_=np.concatenate([MAP, MAP]), probability=0.125)
    (summary,) = client.get("/v1/summaries").get_json()["summaries"]
    assert summary["id"] == job_id
    assert (summary["status"], summary["model"], summary["method"]) == (
        "succeeded",
        MODEL,
        "gradcam",
    )
    assert summary["target"] == summary["answer"]
    assert (summary["answer"]["label"], summary["margin"]) == (LABELS[0], 0)
    assert (summary["verdict"], summary["trust"], summary["error"]) == ("ok", None, None)
    words = "The most probable class has only 12 %"
    part = {"reason": "answer", "score": 3, "value": 0.125, "words": words}
    assert summary["suspicion"] == {"score": 3, "parts": [part]}


def test_an_open_explanation_has_no_result_yet(client: FlaskClient, cat: bytes) -> None:
    submit(client, cat)
    (summary,) = client.get("/v1/summaries").get_json()["summaries"]
    assert (summary["status"], summary["method"]) == ("queued", "gradcam")
    for field in ("target", "answer", "margin", "verdict", "trust", "suspicion", "error"):
        assert summary[field] is None


def test_a_batch_is_listed_in_the_order_of_its_items(
    api: Api, client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    items = [item(cat, key=key, cache=False) for key in "abc"]
    batch_id = accepted_batch(api, client, [*items[:2], "no JSON", items[2]])
    finish_next_job(settings)
    path = f"/v1/batches/{batch_id}/summaries"
    body = client.get(path).get_json()
    assert [one["key"] for one in body["summaries"]] == ["a", "b", "c"]
    assert body["next"] is None
    assert sorted(one["status"] for one in body["summaries"]) == ["queued", "queued", "succeeded"]
    ids = [one["id"] for one in body["summaries"]]
    assert listed(client, f"{path}?limit=2") == (ids[:2], "2")
    assert listed(client, f"{path}?limit=2&first=2") == (ids[2:], None)
    assert set(listed(client, "/v1/summaries")[0]) == set(ids)


def test_a_batch_that_does_not_exist_has_no_list(client: FlaskClient) -> None:
    response = client.get(f"/v1/batches/{new_job_id()}/summaries")
    assert_problem(response, 404, "unknown_batch")


@pytest.mark.parametrize(
    ("query", "named"),
    [("limit=0", "limit"), ("limit=501", "limit"), ("before=x", "before"), ("after=1", "after")],
)
def test_a_wrong_page_is_refused(client: FlaskClient, query: str, named: str) -> None:
    detail = assert_problem(client.get(f"/v1/summaries?{query}"), 422, "invalid_request")
    assert named in detail
