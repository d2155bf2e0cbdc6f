"""The pixels of an image that annotations mark."""

from collections.abc import Iterable

import numpy as np

from seewhy.annotations.annotation import MAX_POINTS, Annotation, ImageSize, MaskArray, Ring
from seewhy.annotations.shapes import mask_of
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.regions import Point

MAX_CROSSINGS = 5_000_000
"""Of the edges of polygons with rows of pixels: what drawing them costs."""
MAX_COORDINATE_PX = 1e9


def annotated_pixels(annotations: Iterable[Annotation], size: ImageSize) -> MaskArray | None:
    """Return the pixels `(height, width)` that any of the annotations marks; None without a shape.

    A pixel is marked when its center lies in a box or in a polygon, which may leave the image; the
    inside of a polygon follows the even-odd rule, so holes are holes. Points mark no pixels.
    Raises `InvalidAnnotation` for a mask of another size, for coordinates beyond
    `MAX_COORDINATE_PX`, and for polygons of more than `MAX_POINTS` points or `MAX_CROSSINGS`
    crossings of edges and rows.
    """
    marked: MaskArray | None = None
    points = crossings = 0
    for annotation in annotations:
        rings = _rings(annotation)
        if not rings and annotation.mask is None:
            continue
        points += sum(map(len, rings))
        crossings += sum(_count_crossings(ring, size) for ring in rings)
        if points > MAX_POINTS or crossings > MAX_CROSSINGS:
            raise InvalidAnnotation("the polygons have too many points")
        drawn = _fill(rings, size) if rings else mask_of(annotation)
        if drawn.shape != (size.height_px, size.width_px):
            raise InvalidAnnotation("the mask does not have the size of the image")
        marked = drawn if marked is None else marked | drawn
    return marked


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


def _count_crossings(ring: Ring, size: ImageSize) -> int:
    first, last = _crossed_rows(ring, size)
    return int((last - first).sum())


def _crossed_rows(ring: Ring, size: ImageSize) -> tuple[np.ndarray, np.ndarray]:
    """Return for each edge the first row whose centers it crosses, and the row after the last."""
    ys = np.array([point.y for point in ring])
    first = np.ceil(np.minimum(ys, np.roll(ys, -1)) - 0.5)
    last = np.ceil(np.maximum(ys, np.roll(ys, -1)) - 0.5)
    return np.clip(first, 0, size.height_px).astype(int), np.clip(last, 0, size.height_px).astype(
        int
    )


def _fill(rings: tuple[Ring, ...], size: ImageSize) -> MaskArray:
    """Fill polygons: along a row, each crossing of an edge ends or begins the inside."""
    toggles = np.zeros((size.height_px, size.width_px + 1), np.bool_)
    for ring in rings:
        first, last = _crossed_rows(ring, size)
        for (a, b), top, bottom in zip(
            zip(ring, (*ring[1:], ring[0]), strict=True), first, last, strict=True
        ):
            if top == bottom:
                continue
            rows = np.arange(top, bottom)
            x = a.x + (rows + 0.5 - a.y) * ((b.x - a.x) / (b.y - a.y))
            columns = np.clip(np.ceil(x - 0.5), 0, size.width_px).astype(int)
            toggles[rows, columns] ^= True
    return np.logical_xor.accumulate(toggles, axis=1)[:, :-1]
