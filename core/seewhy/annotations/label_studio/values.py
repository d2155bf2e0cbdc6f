"""The `value` of each type of result: coordinates in percent of the image, or masks."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from seewhy.annotations.annotation import (
    MAX_POINTS,
    Annotation,
    ImageSize,
    MaskArray,
    Ring,
    finite,
    size_of,
)
from seewhy.annotations.label_studio.bitmask import decode_bitmask, encode_bitmask
from seewhy.annotations.label_studio.brush_rle import decode_brush, encode_brush
from seewhy.annotations.shapes import box_of, mask_of, outer_ring
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.regions import Point

_KEY_POINT_PERCENT = 0.75
"""The width that Label Studio gives to the dot of a key point."""
_ELLIPSE_POINTS = 128
"""A polygon of so many points has 0.04 % less area than the ellipse around it."""


class ShapeFields(TypedDict, total=False):
    """The fields of an annotation that a value gives."""

    box: Rectangle
    rings: tuple[Ring, ...]
    mask: MaskArray
    point: Point


def encode_rectangle(annotation: Annotation, size: ImageSize) -> dict[str, Any]:
    """Encode the box: x, y, width and height."""
    box = box_of(annotation)
    x, y = _percent(box.x, box.y, size)
    width, height = _percent(box.width, box.height, size)
    return {"x": x, "y": y, "width": width, "height": height, "rotation": 0}


def decode_rectangle(value: Mapping[str, Any], size: ImageSize) -> ShapeFields:
    """Decode a box; one that is rotated, by degrees clockwise about its x and y, is a polygon."""
    corner = _pixels(value, "x", "y", size)
    extent = _pixels(value, "width", "height", size)
    if extent.x <= 0 or extent.y <= 0:
        raise InvalidAnnotation("width and height must be greater than 0")
    angle = _rotation(value)
    if not angle:
        return {"box": Rectangle(x=corner.x, y=corner.y, width=extent.x, height=extent.y)}
    offsets = ((0.0, 0.0), (extent.x, 0.0), (extent.x, extent.y), (0.0, extent.y))
    return {"rings": (_turned(offsets, angle, about=corner),)}


def encode_ellipse(annotation: Annotation, size: ImageSize) -> dict[str, Any]:
    """Encode the ellipse that touches the sides of the box: its center and its radii."""
    box = box_of(annotation)
    x, y = _percent(box.x + box.width / 2, box.y + box.height / 2, size)
    radius_x, radius_y = _percent(box.width / 2, box.height / 2, size)
    return {"x": x, "y": y, "radiusX": radius_x, "radiusY": radius_y, "rotation": 0}


def decode_ellipse(value: Mapping[str, Any], size: ImageSize) -> ShapeFields:
    """Decode an ellipse, rotated by degrees clockwise about its center, to a polygon."""
    center = _pixels(value, "x", "y", size)
    radii = _pixels(value, "radiusX", "radiusY", size)
    if radii.x <= 0 or radii.y <= 0:
        raise InvalidAnnotation("radiusX and radiusY must be greater than 0")
    angles = (2 * math.pi * number / _ELLIPSE_POINTS for number in range(_ELLIPSE_POINTS))
    offsets = tuple((radii.x * math.cos(each), radii.y * math.sin(each)) for each in angles)
    return {"rings": (_turned(offsets, _rotation(value), about=center),)}


def encode_polygon(annotation: Annotation, size: ImageSize) -> dict[str, Any]:
    """Encode the outer ring."""
    points = [list(_percent(point.x, point.y, size)) for point in outer_ring(annotation)]
    return {"points": points, "closed": True}


def decode_polygon(value: Mapping[str, Any], size: ImageSize) -> ShapeFields:
    """Decode the ring of a polygon."""
    points = value.get("points")
    if not isinstance(points, list) or not 3 <= len(points) <= MAX_POINTS:
        raise InvalidAnnotation(f"points must be a list of 3 to {MAX_POINTS} points")
    if value.get("closed", True) is not True:
        raise InvalidAnnotation("the polygon is not closed")
    ring = []
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise InvalidAnnotation("a point must be a list of two numbers")
        ring.append(_pixels({"x": point[0], "y": point[1]}, "x", "y", size))
    return {"rings": (tuple(ring),)}


def encode_key_point(annotation: Annotation, size: ImageSize) -> dict[str, Any]:
    """Encode the point. Its width is that of the dot that Label Studio draws."""
    if annotation.point is None:
        raise InvalidAnnotation("the annotation has no point")
    x, y = _percent(annotation.point.x, annotation.point.y, size)
    return {"x": x, "y": y, "width": _KEY_POINT_PERCENT}


def decode_key_point(value: Mapping[str, Any], size: ImageSize) -> ShapeFields:
    """Decode a point."""
    return {"point": _pixels(value, "x", "y", size)}


def encode_mask(annotation: Annotation, size: ImageSize, *, bitmask: bool) -> dict[str, Any]:
    """Encode the mask, run-length encoded or as a PNG."""
    mask = mask_of(annotation)
    if size_of(mask) != size:
        raise InvalidAnnotation("the mask does not have the size of the image")
    if bitmask:
        return {"imageDataURL": encode_bitmask(mask)}
    return {"format": "rle", "rle": encode_brush(mask)}


def decode_mask(value: Mapping[str, Any], size: ImageSize, *, bitmask: bool) -> ShapeFields:
    """Decode a mask, run-length encoded or as a PNG."""
    if bitmask:
        return {"mask": decode_bitmask(value.get("imageDataURL"), size)}
    if value.get("format") != "rle":
        raise InvalidAnnotation("the format of a brush mask must be rle")
    return {"mask": decode_brush(value.get("rle"), size)}


def score(value: object) -> float | None:
    """Return a score. Raises `InvalidAnnotation` when it is not a finite number."""
    return None if value is None else finite(value, "score")


def _rotation(value: Mapping[str, Any]) -> float:
    """Return the rotation in radians clockwise, less than a full turn."""
    return math.radians(finite(value.get("rotation", 0), "rotation") % 360)


def _turned(offsets: Iterable[tuple[float, float]], angle: float, *, about: Point) -> Ring:
    """Return the points at offsets from a center that are turned about it."""
    cos, sin = math.cos(angle), math.sin(angle)
    return tuple(
        Point(x=about.x + dx * cos - dy * sin, y=about.y + dx * sin + dy * cos)
        for dx, dy in offsets
    )


def _percent(x: float, y: float, size: ImageSize) -> tuple[float, float]:
    return 100 * x / size.width_px, 100 * y / size.height_px


def _pixels(value: Mapping[str, Any], x: str, y: str, size: ImageSize) -> Point:
    return Point(
        x=finite(finite(value.get(x), x) / 100 * size.width_px, x),
        y=finite(finite(value.get(y), y) / 100 * size.height_px, y),
    )
