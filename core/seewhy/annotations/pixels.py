"""The pixels of an image that annotations mark."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from seewhy.annotations.annotation import MAX_POINTS, Annotation, ImageSize, MaskArray, Ring
from seewhy.annotations.shapes import mask_of
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.regions import Point

MAX_CROSSINGS = 5_000_000
"""Of the edges of polygons with rows of pixels: what drawing them costs."""
MAX_DRAWN_PIXELS = 200_000_000
"""Of all shapes: the pixels of the image for a mask, those of the box around any other shape."""
MAX_COORDINATE_PX = 1e9


def annotated_pixels(annotations: Iterable[Annotation], size: ImageSize) -> MaskArray | None:
    """Return the pixels `(height, width)` that any of the annotations marks; None without a shape.

    A pixel is marked when its center lies in a box or in a polygon, which may leave the image; the
    inside of a polygon follows the even-odd rule, so holes are holes. Points mark no pixels.
    Annotations are taken one by one, so that one is too many to be decoded.
    Raises `InvalidAnnotation` for a mask of another size, for coordinates beyond
    `MAX_COORDINATE_PX`, for polygons of more than `MAX_POINTS` points or `MAX_CROSSINGS`
    crossings of edges and rows, and for shapes that take more than `MAX_DRAWN_PIXELS` together.
    """
    marked: MaskArray | None = None
    points = crossings = drawn = 0
    for annotation in annotations:
        rings = _rings(annotation)
        if not rings and annotation.mask is None:
            continue
        points += sum(map(len, rings))
        crossings += sum(_count_crossings(ring, size) for ring in rings)
        if points > MAX_POINTS or crossings > MAX_CROSSINGS:
            raise InvalidAnnotation("the polygons have too many points")
        part = _bounds(rings, size) if rings else _Part(0, 0, size.height_px, size.width_px)
        drawn += part.pixels
        if drawn > MAX_DRAWN_PIXELS:
            raise InvalidAnnotation(
                f"its shapes take more than {MAX_DRAWN_PIXELS:,} pixels together"
            )
        if marked is None:
            marked = np.zeros((size.height_px, size.width_px), np.bool_)
        _draw(annotation, rings, part, marked)
    return marked


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows and columns of an image; the ends are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def pixels(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)


def _draw(annotation: Annotation, rings: tuple[Ring, ...], part: _Part, marked: MaskArray) -> None:
    """Mark the pixels of a shape, which lies in a part of the image `(height, width)`."""
    pixels = _fill(rings, part) if rings else mask_of(annotation)
    if not rings and pixels.shape != marked.shape:
        raise InvalidAnnotation("the mask does not have the size of the image")
    marked[part.top : part.bottom, part.left : part.right] |= pixels


def _rings(annotation: Annotation) -> tuple[Ring, ...]:
    """Return the outlines of a shape: of the mask none, since its pixels say more.

    Raises `InvalidAnnotation` for coordinates whose differences could not be computed.
    """
    if annotation.mask is not None:
        return ()
    box, rings = annotation.box, annotation.rings
    if not rings and box is not None:
        left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        rings = (tuple(Point(x=x, y=y) for x, y in corners),)
    points = (point for ring in rings for point in ring)
    if any(max(abs(point.x), abs(point.y)) > MAX_COORDINATE_PX for point in points):
        raise InvalidAnnotation(f"a coordinate is beyond {MAX_COORDINATE_PX:g} pixels")
    return rings


def _bounds(rings: tuple[Ring, ...], size: ImageSize) -> _Part:
    """Return the part of the image that polygons may mark."""
    xs = [point.x for ring in rings for point in ring]
    ys = [point.y for ring in rings for point in ring]
    rows = (_first_center(min(ys), size.height_px), _first_center(max(ys), size.height_px))
    columns = (_first_center(min(xs), size.width_px), _first_center(max(xs), size.width_px))
    return _Part(rows[0], columns[0], rows[1], columns[1])


def _first_center(position: float, limit: int) -> int:
    """Return the first of `limit` pixels whose center is not before a position."""
    return min(max(math.ceil(position - 0.5), 0), limit)


def _count_crossings(ring: Ring, size: ImageSize) -> int:
    first, last = _crossed_rows(ring, 0, size.height_px)
    return int((last - first).sum())


def _crossed_rows(ring: Ring, top: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each edge the first row whose centers it crosses, and the row after the last."""
    ys = np.array([point.y for point in ring])
    first = np.ceil(np.minimum(ys, np.roll(ys, -1)) - 0.5)
    last = np.ceil(np.maximum(ys, np.roll(ys, -1)) - 0.5)
    return np.clip(first, top, bottom).astype(int), np.clip(last, top, bottom).astype(int)


def _fill(rings: tuple[Ring, ...], part: _Part) -> MaskArray:
    """Fill polygons: along a row, each crossing of an edge ends or begins the inside."""
    toggles = np.zeros((part.bottom - part.top, part.right - part.left + 1), np.bool_)
    for ring in rings:
        first, last = _crossed_rows(ring, part.top, part.bottom)
        for (a, b), top, bottom in zip(
            zip(ring, (*ring[1:], ring[0]), strict=True), first, last, strict=True
        ):
            if top == bottom:
                continue
            rows = np.arange(top, bottom)
            x = a.x + (rows + 0.5 - a.y) * ((b.x - a.x) / (b.y - a.y))
            columns = np.clip(np.ceil(x - 0.5), part.left, part.right).astype(int)
            toggles[rows - part.top, columns - part.left] ^= True
    return np.logical_xor.accumulate(toggles, axis=1)[:, :-1]
