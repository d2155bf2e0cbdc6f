"""Draw the outlines of regions on an image."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from seewhy.imaging.arrays import ImageArray
from seewhy.schemas.regions import OutlinedRegion

_LINE, _CASING = (255, 255, 255), (0, 0, 0)
"""A white line between black ones is visible on every image."""
_SHORTER_SIDE_PER_LINE = 300
_HALF_PIXELS = 1
"""OpenCV's `shift` for coordinates in half pixels: those of corners of pixels."""


def draw_outlines(
    image: ImageArray, regions: Sequence[OutlinedRegion], *, boxes: bool = False
) -> ImageArray:
    """Draw the contours and holes of regions on an RGB image, `(height, width, 3)`, in place.

    Lines follow the edges of the regions, and are wider on larger images. With `boxes`, the boxes
    and a cross at each peak are drawn, too. Returns the image.
    """
    width = max(1, round(min(image.shape[:2]) / _SHORTER_SIDE_PER_LINE))
    for color, thickness in ((_CASING, 3 * width), (_LINE, width)):
        for region in regions:
            rings: list[Sequence[tuple[float, float]]] = [region.contour, *region.holes]
            if boxes:
                rings.append(_corners(region))
            _draw_rings(image, rings, color=color, thickness=thickness)
            if boxes:
                center = (round(region.peak.x - 0.5), round(region.peak.y - 0.5))
                cv2.drawMarker(image, center, color, cv2.MARKER_CROSS, 12 * width, thickness)
    return image


def _corners(region: OutlinedRegion) -> Sequence[tuple[float, float]]:
    box = region.box
    right, bottom = box.x + box.width, box.y + box.height
    return (box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom)


def _draw_rings(
    image: ImageArray,
    rings: Iterable[Sequence[tuple[float, float]]],
    *,
    color: Sequence[int],
    thickness: int,
) -> None:
    # OpenCV's coordinates are those of pixel centers; ours are those of pixel corners.
    polygons = [np.array([(2 * x - 1, 2 * y - 1) for x, y in ring], np.int32) for ring in rings]
    cv2.polylines(image, polygons, True, color, thickness, lineType=cv2.LINE_AA, shift=_HALF_PIXELS)
