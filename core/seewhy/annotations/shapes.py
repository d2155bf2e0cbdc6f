"""The box, the area and the rings of an annotation, whichever shapes it has."""

from collections.abc import Sequence

from seewhy.annotations.annotation import (
    MAX_POINTS,
    Annotation,
    CroppedMask,
    MaskArray,
    Ring,
    bounds_of,
    finite,
    ring_box,
)
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.regions import Point


def box_of(annotation: Annotation) -> Rectangle:
    """Return the box, or the one around the polygon or the mask.

    Raises `InvalidAnnotation` when the annotation has none of them.
    """
    if annotation.box is not None:
        return annotation.box
    if annotation.rings:
        return ring_box(annotation.rings)
    if annotation.mask is None:
        raise InvalidAnnotation("the annotation has no box, polygon or mask")
    left, top, right, bottom = bounds_of(mask_of(annotation))
    return Rectangle(x=left, y=top, width=right - left, height=bottom - top)


def outer_ring(annotation: Annotation) -> Ring:
    """Return the outer ring of the polygon. Raises `InvalidAnnotation` when there is none."""
    if not annotation.rings:
        raise InvalidAnnotation("the annotation has no polygon")
    return annotation.rings[0]


def mask_of(annotation: Annotation) -> MaskArray:
    """Return the mask, `(height, width)` of the image.

    Raises `InvalidAnnotation` when there is none.
    """
    if annotation.mask is None:
        raise InvalidAnnotation("the annotation has no mask")
    return annotation.mask.paste() if isinstance(annotation.mask, CroppedMask) else annotation.mask


def ring_area(ring: Ring) -> float:
    """Return the area of a ring in square pixels."""
    following = (*ring[1:], ring[0])
    doubled = sum(a.x * b.y - b.x * a.y for a, b in zip(ring, following, strict=True))
    return abs(doubled) / 2


def ring_of(numbers: object) -> Ring:
    """Return the ring of the list x1, y1, x2, y2… Raises `InvalidAnnotation`."""
    if not isinstance(numbers, list) or len(numbers) % 2 or not 6 <= len(numbers) <= 2 * MAX_POINTS:
        raise InvalidAnnotation(f"a polygon must be a list of x and y of 3 to {MAX_POINTS} points")
    values = [finite(number, "a coordinate") for number in numbers]
    return tuple(Point(x=x, y=y) for x, y in zip(values[::2], values[1::2], strict=True))


def flat_ring(ring: Sequence[Point]) -> list[float]:
    """Return the list x1, y1, x2, y2… of a ring."""
    return [number for point in ring for number in (point.x, point.y)]


def box_from_corners(left: float, top: float, right: float, bottom: float) -> Rectangle:
    """Return a box. Raises `InvalidAnnotation` unless it has an area."""
    if not (left < right and top < bottom):
        raise InvalidAnnotation("a box must be wider and higher than 0")
    return Rectangle(x=left, y=top, width=right - left, height=bottom - top)
