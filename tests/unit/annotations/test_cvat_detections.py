"""Detections of CVAT's serverless functions: encoded, decoded again, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation_strategies import SCORES, masks, outlined
from seewhy.annotations.annotation import Annotation, ImageSize, MaskArray, size_of
from seewhy.annotations.cvat import detections
from seewhy.annotations.cvat.shapes import ShapeType
from seewhy.annotations.shapes import mask_of
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.regions import Point

SIZE = ImageSize(6, 4)


@given(masks(empty=False), SCORES)
def test_a_mask_of_a_detection_is_decoded_to_itself(mask: MaskArray, score: float | None) -> None:
    annotation = Annotation(label="cat", score=score, mask=mask)
    fields = json.loads(json.dumps(detections.encode_detection(annotation, ShapeType.MASK)))
    decoded = detections.decode_detection(fields, size_of(mask))
    assert (mask_of(decoded) == mask).all()
    assert (decoded.label, decoded.score) == ("cat", score)


def test_a_mask_of_a_detection_is_pixels_of_its_box_with_a_polygon_beside_it() -> None:
    ring = tuple(Point(x=x, y=y) for x, y in ((2, 1), (5, 1), (5, 3)))
    mask = np.zeros((4, 6), np.bool_)
    mask[1:3, 2:5] = True
    annotation = Annotation(label="cat", score=0.5, mask=mask, rings=(ring,))
    assert detections.encode_detection(annotation, ShapeType.MASK) == {
        "label": "cat", "type": "mask", "confidence": "0.5",
        "mask": [1, 1, 1, 1, 1, 1, 2, 1, 4, 2], "points": [2, 1, 5, 1, 5, 3],
    }  # fmt: skip


@given(outlined(), st.sampled_from([ShapeType.RECTANGLE, ShapeType.POLYGON, ShapeType.POINTS]))
def test_other_detections_are_decoded_to_themselves(
    case: tuple[Annotation, ImageSize], kind: ShapeType
) -> None:
    annotation, size = case
    fields = json.loads(json.dumps(detections.encode_detection(annotation, kind)))
    decoded = detections.decode_detection(fields, size)
    assert detections.encode_detection(decoded, kind)["points"] == pytest.approx(fields["points"])
    assert (decoded.label, decoded.score) == (annotation.label, annotation.score)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"label": 1}, "label must be a string"),
        ({"type": "cuboid"}, "type must be one of"),
        ({"confidence": 0.5}, "confidence must be a string"),
        ({"confidence": "nan"}, "confidence must be finite"),
        ({"mask": None}, "mask must be a list"),
        ({"mask": [2, 0, 0, 0, 0]}, "pixels of a mask must be 0 or 1"),
        ({"mask": [[], 0, 0, 0, 0]}, "pixels of a mask must be 0 or 1"),
        ({"mask": [1, 0, 0, 1, 0]}, "have 1 pixels, not 2"),
        ({"mask": [1, 0, 0, 0, 9]}, "not within the image"),
        ({"mask": []}, "must be a list of 5"),
    ],
)
def test_malformed_detections_are_refused(fields: dict[str, Any], reason: str) -> None:
    complete = {"label": "cat", "type": "mask", "mask": [1, 0, 0, 0, 0]}
    with pytest.raises(InvalidAnnotation, match=reason):
        detections.decode_detection(complete | fields, SIZE)
