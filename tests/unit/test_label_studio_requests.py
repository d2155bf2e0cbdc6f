"""The bodies of requests from Label Studio: what is kept of them, and what they may cost."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from seewhy.errors import RequestTooLarge
from seewhy_api.http.json_body import MAX_JSON_BYTES
from seewhy_api.label_studio.drawn_region import DrawnRegion
from seewhy_api.label_studio.request_bodies import MAX_VALUES, parse_body
from seewhy_api.label_studio.requests import PredictRequest, SetupRequest


def parse(**fields: Any) -> PredictRequest:
    return parse_body(PredictRequest, json.dumps({"label_config": "", **fields}).encode())


def test_only_what_is_used_of_a_request_is_kept() -> None:
    unused = [[number] for number in range(10)]
    regions = [
        {"type": "choices", "from_name": "c", "value": {"choices": ["first"]}},
        {"type": "brushlabels", "from_name": "b", "value": {"brushlabels": ["x"], "rle": unused}},
        {"type": "textarea", "from_name": "t", "value": {"text": unused}},
    ]
    request = parse(
        tasks=[{"id": 1, "data": {"image": "a.png", "points": unused}, "drafts": unused}],
        params={"context": {"result": regions}},
    )
    (task,) = request.tasks
    assert (task.data, task.drafts, task.is_open) == ({"image": "a.png"}, None, True)
    assert request.context is not None
    assert request.context.result == ({**regions[1], "value": {"brushlabels": ["x"]}},)
    assert request.context.drawn == DrawnRegion("b", "x", None)


@pytest.mark.parametrize("value", [b"[]", b"1", b'{"a":1}'])
def test_a_body_with_too_many_values_is_refused_before_it_is_parsed(value: bytes) -> None:
    body = b'{"tasks":[{"data":{"k":[%s]}}]}' % b",".join([value] * MAX_VALUES)
    with pytest.raises(RequestTooLarge, match=r"more than 1,000,000 values\. Select fewer tasks"):
        parse_body(PredictRequest, body)


def test_a_large_body_of_few_values_is_parsed() -> None:
    text = "x" * (2 * MAX_JSON_BYTES)
    assert parse(tasks=[{"data": {"image": text}}]).tasks[0].data == {"image": text}


def test_too_many_tasks_are_refused_without_looking_at_them_all() -> None:
    with pytest.raises(ValidationError) as error:
        parse(tasks=[{"data": {}}] * 10_001 + [{"data": "invalid"}])
    assert [each["type"] for each in error.value.errors()] == ["too_long"]


@pytest.mark.parametrize("token", ["x" * 1_001, "a\nb", "a\n", "\u00e9"])
def test_a_token_that_no_header_can_hold_is_refused(token: str) -> None:
    with pytest.raises(ValidationError, match="access_token"):
        SetupRequest.model_validate({"schema": "", "access_token": token})
