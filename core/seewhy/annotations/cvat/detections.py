"""Detections of CVAT's serverless functions: what a detector answers for an image.

Coordinates are pixels, as in CVAT's API; the confidence is a string. A mask is not in runs: `mask`
has 0 or 1 for each pixel of its box, row by row, and then left, top, right and bottom of the
outermost pixels, inclusive. `points` beside it is the polygon that CVAT takes instead when its user
wants polygons. CVAT's server reads this in `cvat/apps/lambda_manager/views.py`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from seewhy.annotations.annotation import Annotation, ImageSize, bounds_of, number
from seewhy.annotations.cvat.shapes import (
    ShapeType,
    decode_points,
    decode_type,
    encode_points,
)
from seewhy.annotations.runs import encode_runs
from seewhy.annotations.shapes import mask_of
from seewhy.errors import InvalidAnnotation


def encode_detection(annotation: Annotation, kind: ShapeType) -> dict[str, Any]:
    """Encode an annotation. Raises `InvalidAnnotation` when it has nothing of the type."""
    fields: dict[str, Any] = {"label": annotation.label, "type": kind.value}
    if annotation.score is not None:
        fields["confidence"] = str(annotation.score)
    if kind is not ShapeType.MASK:
        return fields | {"points": encode_points(annotation, kind)}
    mask = mask_of(annotation)
    left, top, right, bottom = bounds_of(mask)
    pixels = mask[top:bottom, left:right].astype(np.uint8).ravel().tolist()
    fields["mask"] = [*pixels, left, top, right - 1, bottom - 1]
    if annotation.rings:
        fields["points"] = encode_points(annotation, ShapeType.POLYGON)
    return fields


def decode_detection(fields: Mapping[str, Any], size: ImageSize) -> Annotation:
    """Decode a detection. Raises `InvalidAnnotation` when it is malformed."""
    label, score = fields.get("label"), fields.get("confidence")
    if not isinstance(label, str):
        raise InvalidAnnotation("label must be a string")
    if score is not None and not isinstance(score, str):
        raise InvalidAnnotation("confidence must be a string")
    confidence = None if score is None else number(score, "confidence")
    kind = decode_type(fields.get("type"))
    name = "mask" if kind is ShapeType.MASK else "points"
    numbers = fields.get(name)
    if not isinstance(numbers, list):
        raise InvalidAnnotation(f"{name} must be a list of numbers")
    numbers = _in_runs(numbers) if kind is ShapeType.MASK else numbers
    return replace(decode_points(numbers, kind, size, label=label), score=confidence)


def _in_runs(numbers: list[object]) -> list[object]:
    """Return the numbers of a mask in CVAT's API for those of a detection."""
    pixels, corners = numbers[:-4], numbers[-4:]
    if any(pixel not in (0, 1) for pixel in pixels):
        raise InvalidAnnotation("the pixels of a mask must be 0 or 1")
    return [*encode_runs(np.asarray(pixels, np.bool_)), *corners]
