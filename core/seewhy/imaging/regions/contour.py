"""Polygons around the pixels of a mask."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.arrays import ImageArray
from seewhy.schemas.regions import MAX_HOLES, MAX_VERTICES, Vertex

_TOLERANCE_PX = 1.0


@dataclass(frozen=True, slots=True)
class Outline:
    """The polygons of one component."""

    contour: tuple[Vertex, ...]
    holes: tuple[tuple[Vertex, ...], ...]
    """The largest ones, largest first."""


def outline(mask: ImageArray, *, left_px: int = 0, top_px: int = 0) -> Outline:
    """Trace one component, the nonzero pixels of `(height, width)`.

    Vertices are corners of pixels, so that the polygon of a single pixel has the area 1, and that
    of a component the box of the component. At inner corners the polygon takes a shortcut of half
    a pixel outside the component; holes of one pixel are lost. `left_px` and `top_px` are the
    position of the mask in the image.
    """
    # OpenCV connects the centers of edge pixels. A pixel's corners are the centers of the pixels
    # of a larger mask, which has a pixel for each corner.
    height_px, width_px = mask.shape
    corners = np.zeros((height_px + 1, width_px + 1), np.uint8)
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        corners[y : y + height_px, x : x + width_px] |= mask
    rings, hierarchy = cv2.findContours(
        corners, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(left_px, top_px)
    )
    parents = hierarchy[0][:, 3]
    (contour,) = (ring for ring, parent in zip(rings, parents, strict=True) if parent < 0)
    inner = [ring for ring, parent in zip(rings, parents, strict=True) if parent >= 0]
    holes = sorted(inner, key=cv2.contourArea, reverse=True)[:MAX_HOLES]
    return Outline(_simplify(contour), tuple(_simplify(hole) for hole in holes))


def _simplify(ring: NDArray[Any]) -> tuple[Vertex, ...]:
    """Drop vertices that the polygon can spare (Douglas and Peucker), at least to the limit."""
    tolerance_px = _TOLERANCE_PX
    polygon = cv2.approxPolyDP(ring, tolerance_px, closed=True)
    while len(polygon) > MAX_VERTICES:
        tolerance_px *= 2
        polygon = cv2.approxPolyDP(ring, tolerance_px, closed=True)
    return tuple((int(x), int(y)) for ((x, y),) in polygon)
