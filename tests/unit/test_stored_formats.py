"""F27: stored documents of this format stay readable, also when a newer version adds fields."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from seewhy.jobs.archiver import parse_outcome
from seewhy.jobs.manifest import Manifest
from seewhy.ledger.types import PASS_COST, JobOutcome
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Job
from seewhy.schemas.result import Result

FORMATS = Path(__file__).parent / "formats"
NEW_FIELD = {"new_field": {"nested": ["a", "b"]}}
PARSERS: dict[str, Callable[[bytes], Any]] = {
    "job": Job.model_validate_json,
    "manifest": Manifest.model_validate_json,
    "outcome": parse_outcome,
    "result": Result.model_validate_json,
}

every_format = pytest.mark.parametrize("name", PARSERS)


def stored(name: str) -> bytes:
    return (FORMATS / f"{name}.json").read_bytes()


def serialize(document: Any) -> Any:
    if isinstance(document, JobOutcome):
        return json.loads(json.dumps(asdict(document)))
    return document.model_dump(mode="json")


@every_format
def test_a_stored_document_is_read_without_loss(name: str) -> None:
    assert serialize(PARSERS[name](stored(name))) == json.loads(stored(name))


@every_format
def test_unknown_fields_of_a_newer_version_are_ignored(name: str) -> None:
    newer = json.dumps(json.loads(stored(name)) | NEW_FIELD).encode()
    assert PARSERS[name](newer) == PARSERS[name](stored(name))


def test_a_manifest_from_before_keys_and_request_ids_is_read() -> None:
    older = json.loads(stored("manifest"))
    older["submission"]["context"] = {"tenant": "a"}
    context = Manifest.model_validate(older).submission.context
    assert context == RequestContext(tenant="a", key_id=None, request_id=None, traceparent=None)


def test_a_manifest_from_before_costs_is_read() -> None:
    older = json.loads(stored("manifest"))
    del older["submission"]["cost"]
    assert Manifest.model_validate(older).submission.cost == PASS_COST


def test_an_outcome_from_before_fences_is_read() -> None:
    older = json.loads(stored("outcome"))
    del older["fence"]
    assert parse_outcome(json.dumps(older).encode()) == parse_outcome(stored("outcome"))


def test_unknown_fields_inside_a_result_are_ignored() -> None:
    newer = json.loads(stored("result"))
    (target,) = newer["targets"]
    newer["covers"] |= NEW_FIELD
    newer["targets"] = [target | NEW_FIELD | {"score": target["score"] | NEW_FIELD}]
    assert Result.model_validate(newer) == Result.model_validate_json(stored("result"))


def test_an_unknown_field_of_a_target_is_refused() -> None:
    """A newer target may mean something else; a wrong answer is worse than none."""
    newer = json.loads(stored("job")) | {"targets": [{"index": 3} | NEW_FIELD]}
    with pytest.raises(ValueError, match="new_field"):
        Job.model_validate(newer)


def test_unknown_fields_inside_a_manifest_are_ignored() -> None:
    newer = json.loads(stored("manifest"))
    newer["submission"] |= NEW_FIELD
    newer["submission"]["context"] |= NEW_FIELD
    assert Manifest.model_validate(newer) == Manifest.model_validate_json(stored("manifest"))


def test_a_manifest_of_another_format_is_refused() -> None:
    newer = json.loads(stored("manifest")) | {"format": 2}
    with pytest.raises(ValueError, match="format"):
        Manifest.model_validate(newer)


def test_the_job_inside_a_manifest_is_a_job() -> None:
    manifest = Manifest.model_validate_json(stored("manifest"))
    job = Job.model_validate_json(manifest.submission.job)
    assert job == Job.model_validate_json(stored("job"))
