"""F27: what one version has written, another reads; the files hold the least there ever was."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seewhy.jobs.archiver import read_outcome
from seewhy.jobs.manifest import Manifest
from seewhy.schemas.job import Job
from seewhy.schemas.result import Result

FORMATS = Path(__file__).parent / "formats"
LATER = {"added_later": {"by": ["a", "version"]}}
READERS: dict[str, Callable[[bytes], Any]] = {
    "job": Job.model_validate_json,
    "manifest": Manifest.model_validate_json,
    "outcome": read_outcome,
    "result": Result.model_validate_json,
}

formats = pytest.mark.parametrize("name", READERS)


def written(name: str) -> bytes:
    return (FORMATS / f"{name}.json").read_bytes()


@formats
def test_what_an_earlier_version_did_not_know_has_its_default(name: str) -> None:
    assert READERS[name](written(name)) is not None


@formats
def test_what_a_later_version_adds_is_ignored(name: str) -> None:
    text = json.loads(written(name))
    assert READERS[name](json.dumps(text | LATER).encode()) == READERS[name](written(name))


def test_so_is_what_it_adds_within_a_result() -> None:
    text = json.loads(written("result"))
    (target,) = text["targets"]
    text["covers"] |= LATER
    text["targets"] = [target | LATER | {"score": target["score"] | LATER}]
    read = Result.model_validate_json(json.dumps(text))
    assert read == Result.model_validate_json(written("result"))


def test_a_target_that_is_not_understood_is_refused() -> None:
    """It asks something else: an answer to another question is worse than none."""
    text = json.loads(written("job")) | {"targets": [{"index": 3} | LATER]}
    with pytest.raises(ValueError, match="added_later"):
        Job.model_validate_json(json.dumps(text))


def test_a_manifest_s_job_is_a_job() -> None:
    manifest = Manifest.model_validate_json(written("manifest"))
    assert Job.model_validate_json(manifest.job) == Job.model_validate_json(written("job"))
