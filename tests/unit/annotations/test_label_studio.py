"""Results of Label Studio: percent, brush masks and bitmasks, encoded and decoded again."""

import base64
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from annotation_strategies import masks, numbers_of, outlined
from seewhy.annotations.annotation import Annotation, ImageSize, size_of
from seewhy.annotations.label_studio.brush_rle import decode_brush, encode_brush
from seewhy.annotations.label_studio.results import (
    ResultType,
    Tag,
    decode_result,
    encode_prediction,
    encode_result,
)
from seewhy.annotations.shapes import box_of, mask_of, ring_area
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.regions import Point

RECORDED = json.loads((Path(__file__).parent / "label_studio_prediction.json").read_text())
SIZE = ImageSize(160, 120)
# Published with the description of the encoding: rows 1 and 2, columns 2 to 4 of 4 x 6 pixels.
SMALL_RLE = [0, 0, 0, 96, 57, 27, 254, 31, 0, 183, 255, 108, 2, 223, 254, 27, 0, 0]


def tag(kind: ResultType) -> Tag:
    return Tag(type=kind, from_name="control", to_name="image")


def recorded(kind: str) -> dict[str, Any]:
    result: dict[str, Any]
    (result,) = (result for result in RECORDED["result"] if result["type"] == kind)
    return copy.deepcopy(result)


def small_mask() -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros((4, 6), np.bool_)
    mask[1:3, 2:5] = True
    return mask


def test_the_known_mask_has_the_known_brush_bytes() -> None:
    assert encode_brush(small_mask()) == SMALL_RLE
    assert (decode_brush(SMALL_RLE, ImageSize(6, 4)) == small_mask()).all()


def test_the_mask_that_label_studio_stored_has_the_same_bytes_again() -> None:
    rle = recorded("brushlabels")["value"]["rle"]
    mask = decode_brush(rle, SIZE)
    assert encode_brush(mask) == rle
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (30, 79, 40, 109)


@given(masks())
def test_a_brush_mask_is_decoded_to_itself(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
    assert (decode_brush(encode_brush(mask), size_of(mask)) == mask).all()


def test_runs_longer_than_65536_values_are_split() -> None:
    mask = np.ones((300, 200), np.bool_)
    assert (decode_brush(encode_brush(mask), size_of(mask)) == mask).all()


def test_literals_that_the_editor_writes_are_read() -> None:
    # One pixel with the values 1, 2, 3 and 4: a literal of four values with a length of 3 bits.
    bits = f"{4:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}" + "000" + f"{3:03b}"
    bits += "".join(f"{value:08b}" for value in (1, 2, 3, 4))
    bits += "0" * (-len(bits) % 8)
    rle = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    assert decode_brush(rle, ImageSize(1, 1)).tolist() == [[True]]


@given(masks(max_side=12))
def test_a_bitmask_is_decoded_to_itself(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
    annotation, size = Annotation(label="a", mask=mask), size_of(mask)
    result = encode_result(annotation, tag(ResultType.BITMASK), size=size, result_id="m")
    (decoded,) = decode_result(json.loads(json.dumps(result)))
    assert (mask_of(decoded) == mask).all()


def test_a_bitmask_is_a_png_with_black_pixels_on_transparent_ones() -> None:
    annotation = Annotation(label="a", mask=small_mask())
    result = encode_result(annotation, tag(ResultType.BITMASK), size=ImageSize(6, 4), result_id="m")
    url = result["value"]["imageDataURL"]
    png = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGBA"))
    assert pixels[1, 2].tolist() == [0, 0, 0, 255]
    assert pixels[0, 0, 3] == 0


@given(outlined(), st.sampled_from(["RECTANGLE", "POLYGON", "KEY_POINT"]))
def test_outlines_are_decoded_to_themselves(case: tuple[Annotation, ImageSize], name: str) -> None:
    annotation, size = case
    kind = ResultType[name]
    result = encode_result(annotation, tag(kind), size=size, result_id="r")
    (decoded,) = decode_result(json.loads(json.dumps(result)))
    kept = {
        ResultType.RECTANGLE: Annotation(label="", box=annotation.box),
        ResultType.POLYGON: Annotation(label="", rings=annotation.rings),
        ResultType.KEY_POINT: Annotation(label="", point=annotation.point),
    }[kind]
    assert numbers_of(decoded) == pytest.approx(numbers_of(kept), abs=1e-9)
    assert (decoded.label, decoded.score) == (annotation.label, annotation.score)


@given(
    radii=st.tuples(st.floats(2, 30), st.floats(2, 30)),
    center=st.tuples(st.floats(40, 60), st.floats(40, 60)),
    rotation=st.floats(-720, 720),
)
def test_an_ellipse_is_decoded_to_its_points(
    radii: tuple[float, float], center: tuple[float, float], rotation: float
) -> None:
    size = ImageSize(200, 100)
    value = {"x": center[0], "y": center[1], "radiusX": radii[0], "radiusY": radii[1]}
    result = {**recorded("rectanglelabels"), "type": "ellipselabels"}
    result |= {"original_width": size.width_px, "original_height": size.height_px}
    result["value"] = {**value, "rotation": rotation, "ellipselabels": ["a"]}
    (decoded,) = decode_result(result)
    (ring,) = decoded.rings
    x = np.array([point.x for point in ring]) - center[0] / 100 * size.width_px
    y = np.array([point.y for point in ring]) - center[1] / 100 * size.height_px
    angle = np.radians(rotation)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius_x, radius_y = radii[0] / 100 * size.width_px, radii[1] / 100 * size.height_px
    np.testing.assert_allclose((along / radius_x) ** 2 + (across / radius_y) ** 2, 1)
    assert ring_area(ring) == pytest.approx(np.pi * radius_x * radius_y, rel=1e-3)


def test_an_ellipse_is_encoded_in_the_box() -> None:
    annotation = Annotation(label="a", box=Rectangle(x=40, y=30, width=80, height=30))
    result = encode_result(annotation, tag(ResultType.ELLIPSE), size=SIZE, result_id="r")
    value = {"x": 50, "y": 37.5, "radiusX": 25, "radiusY": 12.5, "rotation": 0}
    assert result["value"] == {**value, "ellipselabels": ["a"]}
    (decoded,) = decode_result(result)
    assert numbers_of(Annotation(label="", box=box_of(decoded))) == pytest.approx([40, 30, 80, 30])


def test_a_rectangle_is_percent_of_the_image() -> None:
    annotation = Annotation(
        label="lesion", score=0.77, box=Rectangle(x=40, y=30, width=70, height=50.00004)
    )
    box = Tag(type=ResultType.RECTANGLE, from_name="box", to_name="image")
    result = encode_result(annotation, box, size=SIZE, result_id="r1")
    result["value"]["height"] = round(result["value"]["height"], 4)
    assert result == recorded("rectanglelabels")


def test_what_label_studio_stored_is_decoded() -> None:
    (choice,) = decode_result(recorded("choices"))
    (box,) = decode_result(recorded("rectanglelabels"))
    (brush,) = decode_result(recorded("brushlabels"))
    assert (choice.label, choice.score, choice.box) == ("tumor", 0.91, None)
    assert numbers_of(box) == pytest.approx([40, 30, 70, 50], abs=1e-3)
    assert (brush.label, brush.score) == ("mask", 0.66)


def test_a_prediction_has_the_fields_that_label_studio_accepts() -> None:
    choice = encode_result(
        Annotation(label="tumor", score=0.91),
        Tag(type=ResultType.CHOICES, from_name="cls", to_name="image"),
        size=SIZE,
        result_id="c1",
    )
    assert choice == recorded("choices")
    prediction = encode_prediction([choice], model_version="stub-0.0.7", score=0.83)
    assert prediction == {"model_version": "stub-0.0.7", "score": 0.83, "result": [choice]}


def test_a_rotated_rectangle_becomes_a_polygon() -> None:
    result = recorded("rectanglelabels")
    result["value"] = result["value"] | {"x": 50, "y": 50, "width": 10, "height": 10}
    result["value"]["rotation"] = 90
    (decoded,) = decode_result(result)
    assert numbers_of(decoded) == pytest.approx([80, 60, 80, 76, 68, 76, 68, 60])
    assert decoded.box is None


def test_several_labels_are_several_annotations_and_no_labels_are_none() -> None:
    result = recorded("choices")
    result["value"] = {"choices": ["a", "b"]}
    assert [one.label for one in decode_result(result)] == ["a", "b"]
    region = recorded("rectanglelabels")
    del region["value"]["rectanglelabels"]
    assert decode_result(region) == ()


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("choices", {"type": "videorectangle"}, "type must be one of"),
        ("choices", {"value": []}, "value must be an object"),
        ("choices", {"value": {"choices": "tumor"}}, "list of strings"),
        ("choices", {"score": "high"}, "score must be a number"),
        ("rectanglelabels", {"original_width": 2**40}, "sides of an image"),
        ("rectanglelabels", {"original_width": "160"}, "must be integers"),
        ("rectanglelabels", {"original_width": True}, "sides of an image"),
        ("rectanglelabels", {"image_rotation": 90}, "image_rotation must be 0"),
        ("rectanglelabels", {"value": {"x": float("nan")}}, "x must be finite"),
        ("rectanglelabels", {"value": {"x": 10**400}}, "x must be finite"),
        ("rectanglelabels", {"value": {"width": 0}}, "greater than 0"),
        ("brushlabels", {"original_width": 161}, "the brush mask has 76800 values"),
        ("brushlabels", {"original_width": 65_536, "original_height": 65_536}, "exceeds"),
        ("brushlabels", {"value": {"format": "coco"}}, "format"),
        ("brushlabels", {"value": {"rle": "AAAA"}}, "list of integers"),
        ("brushlabels", {"value": {"rle": [0, 256]}}, "list of integers"),
        ("brushlabels", {"value": {"rle": [0, None]}}, "list of integers"),
        ("brushlabels", {"value": {"rle": []}}, "truncated"),
        ("brushlabels", {"value": {"rle": [0] * 4_000_001}}, "more than 4000000"),
    ],
)
def test_a_malformed_result_is_refused(kind: str, changes: dict[str, Any], message: str) -> None:
    result = recorded(kind)
    if isinstance(changes.get("value"), dict):
        labels = result["value"][kind]
        changes = {"value": result["value"] | {kind: labels} | changes["value"]}
    with pytest.raises(InvalidAnnotation, match=message):
        decode_result(result | changes)


@given(st.integers(0, 600), st.integers(0, 255))
def test_a_damaged_brush_mask_is_refused_or_has_its_size(position: int, byte: int) -> None:
    rle = list(recorded("brushlabels")["value"]["rle"])
    rle[position % len(rle)] = byte
    try:
        mask = decode_brush(rle[: position or None], SIZE)
    except InvalidAnnotation:
        return
    assert mask.shape == (120, 160)


def test_a_bitmask_of_another_size_is_refused_before_it_is_decoded() -> None:
    png = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(png, "PNG")
    url = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    result = {
        "type": "bitmasklabels",
        "original_width": 10,
        "original_height": 10,
        "value": {"imageDataURL": url, "bitmasklabels": ["a"]},
    }
    with pytest.raises(InvalidAnnotation, match="12000 x 12000 pixels"):
        decode_result(result)
    result["value"] = {"imageDataURL": "data:image/png;base64,AAAA", "bitmasklabels": ["a"]}
    with pytest.raises(InvalidAnnotation, match="not a PNG"):
        decode_result(result)


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("RECTANGLE", "box"), ("POLYGON", "polygon"), ("BRUSH", "mask"), ("KEY_POINT", "point")],
)
def test_an_annotation_without_the_shape_is_refused(kind: str, missing: str) -> None:
    with pytest.raises(InvalidAnnotation, match=missing):
        encode_result(Annotation(label="a"), tag(ResultType[kind]), size=SIZE, result_id="r")


def test_a_box_is_made_of_the_mask_or_the_polygon() -> None:
    size = ImageSize(6, 4)
    triangle = (Point(x=1, y=1), Point(x=3, y=1), Point(x=3, y=2))
    for annotation, corners in [
        (Annotation(label="a", mask=small_mask()), [2, 1, 3, 2]),
        (Annotation(label="a", rings=(triangle,)), [1, 1, 2, 1]),
    ]:
        result = encode_result(annotation, tag(ResultType.RECTANGLE), size=size, result_id="r")
        assert numbers_of(decode_result(result)[0]) == pytest.approx(corners)


def test_the_labels_of_a_result_share_one_mask() -> None:
    result = recorded("brushlabels")
    result["value"]["brushlabels"] = ["a", "b"]
    first, second = decode_result(result)
    assert (first.label, second.label) == ("a", "b")
    assert first.mask is second.mask
