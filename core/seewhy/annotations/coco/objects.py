"""Objects of COCO: the entries of `annotations` in an `instances` file.

Coordinates are pixels, x to the right and y down from the top left, not rounded. `bbox` is x, y,
width and height. `segmentation` is a list of polygons x1, y1, x2, y2… or an RLE; COCO reads several
polygons as parts of the object, so holes need an RLE. https://cocodataset.org/#format-data
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np

from seewhy.annotations.annotation import MAX_POINTS, Annotation, ImageSize, Ring, finite
from seewhy.annotations.coco.mask_rle import decode_rle, encode_rle
from seewhy.annotations.shapes import (
    box_from_corners,
    box_of,
    flat_ring,
    mask_of,
    outer_ring,
    ring_area,
    ring_of,
)
from seewhy.errors import InvalidAnnotation


class Segmentation(StrEnum):
    """The forms of a segmentation."""

    NONE = "none"
    POLYGON = "polygon"
    RLE = "rle"
    COMPRESSED_RLE = "compressed_rle"


def encode_object(
    annotation: Annotation,
    segmentation: Segmentation,
    *,
    object_id: int,
    image_id: int,
    category_id: int,
) -> dict[str, Any]:
    """Encode an annotation. The ids are positive; `score` is a field of COCO's results.

    A polygon is the outer ring: its holes are lost. Raises `InvalidAnnotation` when the annotation
    has nothing of the form, or no box.
    """
    box = box_of(annotation)
    area: float = box.width * box.height
    segments: list[list[float]] | dict[str, Any] = []
    if segmentation is Segmentation.POLYGON:
        ring = outer_ring(annotation)
        area, segments = ring_area(ring), [flat_ring(ring)]
    elif segmentation is not Segmentation.NONE:
        mask = mask_of(annotation)
        compressed = segmentation is Segmentation.COMPRESSED_RLE
        area, segments = int(np.count_nonzero(mask)), encode_rle(mask, compressed=compressed)
    encoded = {
        "id": object_id,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [box.x, box.y, box.width, box.height],
        "area": area,
        "segmentation": segments,
        "iscrowd": 0,
    }
    return encoded if annotation.score is None else encoded | {"score": annotation.score}


def decode_object(
    fields: Mapping[str, Any], size: ImageSize, *, labels: Mapping[int, str]
) -> Annotation:
    """Decode an object; `labels` are the names of the category ids.

    A polygon of several parts keeps them as rings. Raises `InvalidAnnotation` when the object is
    malformed or its category is unknown.
    """
    category = fields.get("category_id")
    if not isinstance(category, int) or category not in labels:
        raise InvalidAnnotation("category_id must be the id of a category")
    score, box = fields.get("score"), fields.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise InvalidAnnotation("bbox must be a list of x, y, width and height")
    x, y, width, height = (finite(number, "a number of bbox") for number in box)
    segments = fields.get("segmentation") or []
    if not isinstance(segments, list | Mapping):
        raise InvalidAnnotation("segmentation must be a list of polygons or an RLE")
    return Annotation(
        label=labels[category],
        score=None if score is None else finite(score, "score"),
        box=box_from_corners(x, y, x + width, y + height),
        rings=_rings(segments) if isinstance(segments, list) else (),
        mask=decode_rle(segments, size) if isinstance(segments, Mapping) else None,
    )


def _rings(polygons: list[object]) -> tuple[Ring, ...]:
    if sum(len(numbers) for numbers in polygons if isinstance(numbers, list)) > 2 * MAX_POINTS:
        raise InvalidAnnotation(f"the polygons of an object have at most {MAX_POINTS} points")
    return tuple(map(ring_of, polygons))
