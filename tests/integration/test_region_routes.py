"""Regions, masks and contours over HTTP."""

import io
from typing import Any

import cv2
import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from http_api import assert_problem, finish_next_job, submit_image
from seewhy.annotations.annotation import ImageSize
from seewhy.annotations.coco.objects import decode_object
from seewhy.imaging import codecs
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.map_regions import MapRegions
from seewhy.settings import Settings

HOT = np.full((1, 6, 6), -1, np.float32)
"""It covers 300 pixels from x = 100 on; a cell has 50 pixels."""
HOT[0, 2, 3], HOT[0, 5, 0] = 4, 1


@pytest.fixture
def path(client: FlaskClient, settings: Settings, cat: bytes) -> str:
    job_id = submit_image(client, cat).get_json()["id"]
    finish_next_job(settings, map_=HOT)
    return f"/v1/explanations/{job_id}"


def regions(client: FlaskClient, path: str, query: str = "") -> dict[str, Any]:
    response = client.get(f"{path}/regions{query}")
    assert response.status_code == 200, response.get_data(as_text=True)
    body: dict[str, Any] = response.get_json()
    assert MapRegions.model_validate(body).model_dump(mode="json") == body
    return body


def mask(client: FlaskClient, path: str, query: str = "") -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(client.get(f"{path}/mask.png{query}").data)))


def test_the_largest_region_is_found_by_the_rule_of_gradcam(client: FlaskClient, path: str) -> None:
    found = regions(client, path)
    described = {name: found[name] for name in found if name not in {"regions", "target"}}
    assert described == {
        "image_width_px": 451,
        "image_height_px": 300,
        "covers": {"x": 100, "y": 0, "width": 300, "height": 300},
        "method": "gradcam",
        "layer": "l",
        "map": 0,
        "verdict": "ok",
        "polarity": "positive",
        "rule": 0.15,
        "threshold": pytest.approx(0.6),
        "maximum": 4,
        "found": 2,
    }
    assert found["target"]["label"] == "tiger cat"
    (region,) = found["regions"]
    assert region["peak"] == {"x": 275, "y": 125}
    assert region["score"] == 1
    assert region["share"] == pytest.approx(0.8 * 0.892, abs=0.002)  # of 4/5 in this cell
    box = region["box"]
    assert abs(box["x"] + box["width"] / 2 - 275) <= 0.5
    assert abs(box["y"] + box["height"] / 2 - 125) <= 0.5
    assert abs(box["width"] / 2 - 0.85 * 50) <= 1
    polygon = np.array(region["contour"], np.int32)
    assert cv2.contourArea(polygon) == pytest.approx(region["area_px"], rel=0.03)


def test_a_file_of_coco_has_the_boxes_and_polygons_of_the_regions(
    client: FlaskClient, path: str
) -> None:
    query = "?threshold=0.2&components=5"
    document = client.get(f"{path}/coco.json{query}").get_json()
    (category,), (image,) = document["categories"], document["images"]
    assert category == {"id": 283, "name": "tiger cat", "supercategory": ""}
    job_id = path.rpartition("/")[2]
    assert image == {"id": 1, "file_name": job_id, "width": 451, "height": 300}
    found = regions(client, path, query)["regions"]
    size, labels = ImageSize(451, 300), {283: "tiger cat"}
    decoded = [decode_object(one, size, labels=labels) for one in document["annotations"]]
    assert [one.label for one in decoded] == ["tiger cat"] * 2
    assert [one.score for one in decoded] == [0.5, 0.125]
    for annotation, region in zip(decoded, found, strict=True):
        assert annotation.box == Rectangle(**region["box"])
        assert [[point.x, point.y] for point in annotation.rings[0]] == region["contour"]
    assert [one["id"] for one in document["annotations"]] == [1, 2]


def test_a_map_without_evidence_is_a_file_without_annotations(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    finish_next_job(settings, map_=-np.ones((1, 6, 6), np.float32))
    document = client.get(f"/v1/explanations/{job_id}/coco.json").get_json()
    assert (len(document["images"]), document["annotations"]) == (1, [])


def test_the_threshold_and_the_number_of_components_are_chosen(
    client: FlaskClient, path: str
) -> None:
    weaker = regions(client, path, "?threshold=0.2&components=5")
    assert [one["score"] for one in weaker["regions"]] == [1, 0.25]
    assert regions(client, path, "?threshold=0.3&components=5")["found"] == 1
    percentile = regions(client, path, "?threshold=p95&target=282")
    assert percentile["rule"] == "p95"
    assert percentile["threshold"] == pytest.approx(float(np.percentile(np.maximum(HOT, 0), 95)))
    assert regions(client, path, "?threshold=otsu")["rule"] == "otsu"
    against = regions(client, path, "?polarity=negative&map=0")
    assert (against["polarity"], against["maximum"]) == ("negative", 1)


def test_the_threshold_of_the_request_is_the_default(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    job_id = submit_image(client, cat, threshold="otsu").get_json()["id"]
    finish_next_job(settings, map_=HOT)
    path = f"/v1/explanations/{job_id}"
    assert regions(client, path)["rule"] == "otsu"
    assert regions(client, path, "?threshold=0.15")["rule"] == 0.15
    assert np.array_equal(mask(client, path), mask(client, path, "?threshold=otsu"))


def test_a_mask_shows_the_pixels_of_the_regions(client: FlaskClient, path: str) -> None:
    for components in (1, 2):
        found = regions(client, path, f"?components={components}")
        drawn = mask(client, path, f"?components={components}")
        assert drawn.shape == (300, 451)
        assert set(np.unique(drawn)) == {0, 255}
        assert np.count_nonzero(drawn) == sum(one["area_px"] for one in found["regions"])
    left, top, width, height = cv2.boundingRect(mask(client, path))
    box = regions(client, path)["regions"][0]["box"]
    assert (left, top, width, height) == (box["x"], box["y"], box["width"], box["height"])


def test_a_mask_of_1_bit_has_the_same_pixels(client: FlaskClient, path: str) -> None:
    image = Image.open(io.BytesIO(client.get(f"{path}/mask.png?bits=1").data))
    assert image.mode == "1"
    assert np.array_equal(np.asarray(image), mask(client, path) == 255)


def test_contours_are_drawn_on_the_image(client: FlaskClient, path: str, cat: bytes) -> None:
    def drawn(query: str = "") -> np.ndarray:
        response = client.get(f"{path}/contours{query}", headers={"Accept": "image/png"})
        return np.asarray(Image.open(io.BytesIO(response.data)).convert("RGB")).astype(int)

    photo = codecs.decode(cat, max_pixels=1_000_000).astype(int)
    changed = (drawn() != photo).any(-1)
    edge = cv2.morphologyEx(mask(client, path), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    near_edge = cv2.dilate(edge.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert changed[edge].mean() > 0.95
    assert not changed[~near_edge].any()
    box = regions(client, path)["regions"][0]["box"]
    corner = (int(box["y"]), int(box["x"]))
    assert not changed[corner]
    assert (drawn("?boxes=true")[corner] != photo[corner]).any()
    inside = (125, 260)
    assert (drawn()[inside] == photo[inside]).all()
    assert (drawn("?alpha=0.6&colormap=viridis")[inside] != photo[inside]).any()


def test_an_unknown_colormap_is_refused_even_where_no_map_is_drawn(
    client: FlaskClient, path: str
) -> None:
    detail = assert_problem(client.get(f"{path}/contours?colormap=pink"), 422, "invalid_request")
    assert "choose one of inferno, viridis" in detail


def test_a_map_without_evidence_has_no_regions(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    finish_next_job(settings, map_=-np.ones((1, 3, 3), np.float32))
    path = f"/v1/explanations/{job_id}"
    found = regions(client, path)
    assert (found["maximum"], found["threshold"], found["found"], found["regions"]) == (0, 0, 0, [])
    assert not mask(client, path).any()
    assert client.get(f"{path}/contours").status_code == 200


@pytest.mark.parametrize(
    "query",
    ["components=0", "components=51", "components=all", "polarity=signed", "target=281", "bits=2"],
)
def test_invalid_region_options_are_refused(client: FlaskClient, path: str, query: str) -> None:
    assert_problem(client.get(f"{path}/mask.png?{query}"), 422, "invalid_request")
