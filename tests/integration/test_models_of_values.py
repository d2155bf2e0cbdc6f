"""The API of models of values, segments and embeddings: targets, and options that are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from http_api import assert_problem, submit_image
from seewhy.annotations.coco.mask_rle import encode_rle

ENTRY = """
[hand]
source = "hand.keras"
sha256 = "{digest}"
input = {{ height_px = 64, width_px = 64 }}
preprocessing = {{ kind = "scale" }}
scores = "values"
labels_file = "outputs.txt"

[age]
source = "age.keras"
sha256 = "{digest}"
input = {{ height_px = 64, width_px = 64 }}
preprocessing = {{ kind = "scale" }}
scores = "values"

[organs]
source = "organs.keras"
sha256 = "{digest}"
input = {{ height_px = 64, width_px = 64 }}
preprocessing = {{ kind = "scale" }}
scores = "segments"
labels_file = "organs.txt"

[faces]
source = "faces.keras"
sha256 = "{digest}"
input = {{ height_px = 64, width_px = 64 }}
preprocessing = {{ kind = "scale" }}
scores = "embedding"
references.anna = {{ file = "anna.jpg", sha256 = "{digest}" }}
references.ben = {{ file = "ben.jpg", sha256 = "{digest}" }}
"""


@pytest.fixture
def settings_overrides(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "outputs.txt").write_text("age\nlength\n")
    (tmp_path / "organs.txt").write_text("background\nheart\nlung\n")
    (tmp_path / "models.toml").write_text(ENTRY.format(digest="a" * 64))
    return {"models_file": tmp_path / "models.toml"}


def test_the_catalog_says_what_the_model_outputs(client: FlaskClient) -> None:
    model = client.get("/v1/models/hand").get_json()
    assert (model["scores"], model["classes"], model["labels"]) == ("values", 2, ["age", "length"])
    assert "finercam" not in [method["name"] for method in model["methods"]]
    assert client.get("/v1/models/age").get_json()["labels"] == ["value"]
    organs = client.get("/v1/models/organs").get_json()
    assert (organs["scores"], organs["labels"]) == ("segments", ["background", "heart", "lung"])
    faces = client.get("/v1/models/faces").get_json()
    assert (faces["scores"], faces["labels"]) == ("embedding", ["anna", "ben"])
    assert client.get("/v1/models/vgg16").get_json()["scores"] == "classes"


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "age"},
        {"model": "hand", "targets": {"output": "length"}},
        {"model": "organs", "targets": ["heart", {"why": "lung", "not": ["heart"]}]},
        {"model": "organs", "targets": "top:2"},
        {"model": "organs", "within": {"box": {"x": -9, "y": 200.5, "width": 30, "height": 900}}},
        {"model": "organs", "within": {"mask": encode_rle(np.eye(300, 451) > 0)}},
        {"model": "organs", "within": {"mask": {"size": [300, 451], "counts": [5, 135295]}}},
        {"model": "faces"},
        {"model": "faces", "targets": ["anna", {"why": "ben", "not": ["anna"]}]},
    ],
)
def test_an_output_is_explained(client: FlaskClient, cat: bytes, fields: dict[str, Any]) -> None:
    assert submit_image(client, cat, **fields).status_code == 202


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, 'name an output as a target, such as {"output": "age"}'),
        ({"targets": "top:2"}, "not ranked or contrasted"),
        ({"targets": [0], "score": "probability"}, "score needs the probability of a class"),
        ({"targets": [0], "outputs": ["trust"]}, "trust in outputs needs the probability"),
        ({"targets": [0], "preset": "classic"}, "preset needs the probability"),
        ({"targets": [0], "method": "finercam"}, "no method 'finercam'"),
        ({"model": "organs", "targets": {"output": 0}}, "outputs classes; name a class"),
        (
            {"model": "organs", "within": {"box": {"x": 451, "y": 0, "width": 9, "height": 9}}},
            "The box of within lies outside the image of 451 by 300 pixels",
        ),
        (
            {"model": "organs", "within": {"mask": {"size": [451, 300], "counts": [0, 135300]}}},
            "size of the RLE must be [300, 451], the height and the width",
        ),
        (
            {"model": "organs", "within": {"mask": {"size": [300, 451], "counts": [0, 135301]}}},
            "the runs of the mask have 135301 pixels, not 135300",
        ),
        (
            {"model": "organs", "within": {"mask": {"size": [300, 451], "counts": [135300]}}},
            "The mask of within marks no pixel",
        ),
        ({"model": "organs", "within": {}}, "within: give either box or mask"),
        (
            {"model": "faces", "within": {"box": {"x": 0, "y": 0, "width": 9, "height": 9}}},
            "outputs embedding of the whole image, and within needs a model that scores each pixel",
        ),
        (
            {"model": "organs", "reference": {"image_id": "0" * 64}},
            "outputs segments, and reference needs a model of embeddings",
        ),
        ({"model": "faces", "reference": {"image_id": "cat"}}, "reference.image_id"),
        (
            {"model": "faces", "reference": {"image_id": "0" * 64}, "targets": ["anna"]},
            "the model has no reference 'anna'",
        ),
        (
            {"model": "faces", "reference": {"image_id": "0" * 64}},
            "The reference: There is no image with this id",
        ),
        ({"model": "faces", "targets": ["eva"]}, "the model has no reference 'eva'"),
        ({"model": "faces", "score": "probability"}, "outputs embedding, and score needs"),
        ({"model": "organs", "outputs": ["trust"]}, "outputs segments, and trust in outputs needs"),
    ],
)
def test_what_needs_classes_is_refused(
    client: FlaskClient, cat: bytes, fields: dict[str, Any], complaint: str
) -> None:
    response = submit_image(client, cat, **{"model": "hand", **fields})
    assert response.status_code == 422
    assert complaint in assert_problem(response, 422, response.get_json()["code"])
