"""Requests for models with inputs beside the image: defaults of the catalog, and refusals."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from http_api import assert_problem, submit_image
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import lanes_of
from seewhy.schemas.job import Job
from seewhy.settings import Settings

ENTRY = """
[patient]
source = "patient.keras"
sha256 = "{digest}"
input = {{ height_px = 64, width_px = 64 }}
preprocessing = {{ kind = "scale" }}
labels_file = "labels.txt"
inputs = {{ age = 40, site = [1, 0.5, 0] }}
"""


@pytest.fixture
def settings_overrides(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "labels.txt").write_text("benign\nmalignant\n")
    (tmp_path / "models.toml").write_text(ENTRY.format(digest="a" * 64))
    return {"models_file": tmp_path / "models.toml"}


def test_the_catalog_lists_the_inputs_with_their_defaults(client: FlaskClient) -> None:
    model = client.get("/v1/models/patient").get_json()
    assert model["inputs"] == {"age": [40.0], "site": [1.0, 0.5, 0.0]}


def test_a_job_has_the_values_of_the_request_and_the_defaults_of_the_others(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    requested: list[dict[str, Any]] = [{}, {"age": 71.5}, {"site": [0, 0, 1]}]
    for inputs in requested:
        response = submit_image(client, cat, model="patient", inputs=inputs)
        assert response.status_code == 202
    claims = open_ledger(settings).claim(lanes_of("patient"), owner="test", limit=3)
    assert sorted((Job.model_validate_json(claim.job).inputs for claim in claims), key=str) == [
        {"age": (40.0,), "site": (0.0, 0.0, 1.0)},
        {"age": (40.0,), "site": (1.0, 0.5, 0.0)},
        {"age": (71.5,), "site": (1.0, 0.5, 0.0)},
    ]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"inputs": {"sex": 1}}, "the model has no input 'sex'; its inputs are: age, site"),
        ({"inputs": {"site": [1, 2]}}, "the input 'site' takes 3 numbers, not 2"),
        ({"inputs": {"age": "old"}}, "inputs.age"),
        ({"inputs": {"age": True}}, "inputs.age"),
        ({"inputs": {"age": []}}, "inputs.age"),
        ({"inputs": {"age": "x"}}, "inputs.age: give a number, or a list of numbers"),
        ({"model": "vgg16", "inputs": {"age": 1}}, "its inputs are: none beside the image"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    client: FlaskClient, cat: bytes, fields: dict[str, Any], complaint: str
) -> None:
    response = submit_image(client, cat, **{"model": "patient", **fields})
    assert complaint in assert_problem(response, 422, "invalid_request")
