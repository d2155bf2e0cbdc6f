"""Shapes of CVAT's API and SDK (`LabeledShapeRequest`): rectangle, polygon, points and mask.

Coordinates are pixels, x to the right and y down from the top left, not rounded. Shapes have no
score. https://docs.cvat.ai/docs/api_sdk/sdk/reference/models/labeled-shape-request/
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from seewhy.annotations.annotation import Annotation, ImageSize, finite
from seewhy.annotations.cvat.mask_rle import decode_mask, encode_mask
from seewhy.annotations.shapes import (
    box_from_corners,
    box_of,
    flat_ring,
    mask_of,
    outer_ring,
    ring_of,
)
from seewhy.errors import InvalidAnnotation
from seewhy.quoting import quote
from seewhy.schemas.regions import Point


class ShapeType(StrEnum):
    """The types of shapes that are encoded."""

    RECTANGLE = "rectangle"
    POLYGON = "polygon"
    POINTS = "points"
    MASK = "mask"


def encode_shape(
    annotation: Annotation, kind: ShapeType, *, label_id: int, frame: int
) -> dict[str, Any]:
    """Encode an annotation; `label_id` is that of its class in the CVAT project.

    A polygon is the outer ring: its holes are lost. Raises `InvalidAnnotation` when the annotation
    has nothing of the type.
    """
    return {
        "type": kind.value,
        "frame": frame,
        "label_id": label_id,
        "points": encode_points(annotation, kind),
        "occluded": False,
        "source": "auto",
    }


def encode_points(annotation: Annotation, kind: ShapeType) -> list[Any]:
    """Encode the numbers of a shape: corners of a box, x and y of points, or those of a mask.

    Raises `InvalidAnnotation` when the annotation has nothing of the type.
    """
    match kind:
        case ShapeType.RECTANGLE:
            box = box_of(annotation)
            return [box.x, box.y, box.x + box.width, box.y + box.height]
        case ShapeType.POLYGON:
            return flat_ring(outer_ring(annotation))
        case ShapeType.MASK:
            return encode_mask(mask_of(annotation))
        case ShapeType.POINTS:
            if annotation.point is None:
                raise InvalidAnnotation("the annotation has no point")
            return [annotation.point.x, annotation.point.y]


def decode_shape(
    fields: Mapping[str, Any], size: ImageSize, *, labels: Mapping[int, str]
) -> Annotation:
    """Decode a shape; `labels` are the names of the label ids.

    Raises `InvalidAnnotation` for shapes of other types, rotated and malformed ones, points that
    are not one, and unknown labels.
    """
    label_id, points = fields.get("label_id"), fields.get("points")
    if not isinstance(label_id, int) or label_id not in labels:
        raise InvalidAnnotation("label_id must be the id of a label")
    kind = decode_type(fields.get("type"))
    if fields.get("rotation", 0) != 0:
        raise InvalidAnnotation("rotated shapes are not read")
    if not isinstance(points, list):
        raise InvalidAnnotation("points must be a list of numbers")
    return decode_points(points, kind, size, label=labels[label_id])


def decode_type(value: object) -> ShapeType:
    """Return the type that a name stands for. Raises `InvalidAnnotation`."""
    if not isinstance(value, str) or value not in set(ShapeType):
        raise InvalidAnnotation(f"type must be one of {', '.join(ShapeType)}, not {quote(value)}")
    return ShapeType(value)


def decode_points(
    points: list[object], kind: ShapeType, size: ImageSize, *, label: str
) -> Annotation:
    """Decode the numbers of a shape. Raises `InvalidAnnotation` when they are malformed."""
    if kind is ShapeType.MASK:
        return Annotation(label=label, mask=decode_mask(points, size))
    if kind is ShapeType.POLYGON:
        return Annotation(label=label, rings=(ring_of(points),))
    numbers = [finite(number, "a coordinate") for number in points]
    if kind is ShapeType.RECTANGLE and len(numbers) == 4:
        return Annotation(label=label, box=box_from_corners(*numbers))
    if kind is ShapeType.POINTS and len(numbers) == 2:
        return Annotation(label=label, point=Point(x=numbers[0], y=numbers[1]))
    count = 4 if kind is ShapeType.RECTANGLE else 2
    raise InvalidAnnotation(f"{kind.value} must have {count} numbers, not {len(numbers)}")
