"""Fit an image to a model's input, and find the pixels that a map covers."""

import math
from typing import Any, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.arrays import ImageArray
from seewhy.schemas.geometry import Interpolation, Rectangle, ResizeRule

# INTER_NEAREST_EXACT takes the pixel with the nearest center, as Pillow and therefore Keras do.
_FLAGS: dict[Interpolation, int] = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}


def covered_rectangle(
    width_px: int, height_px: int, *, rule: ResizeRule, fraction: float
) -> Rectangle:
    """Return the part of an image that the model sees, in whole pixels.

    `stretch` covers the whole image. `crop` covers a centered square: its side is `fraction`
    (0 < fraction ≤ 1) of the shorter side, placed as in the reference code of EfficientNet.
    Raises `ValueError` when the rule or the fraction is invalid.
    """
    if rule not in get_args(ResizeRule):
        raise ValueError(f"rule must be one of {get_args(ResizeRule)}, not {rule!r}")
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0 and at most 1, not {fraction}")
    if rule == "stretch":
        return Rectangle(x=0, y=0, width=width_px, height=height_px)
    side_px = max(1, math.floor(fraction * min(width_px, height_px)))
    x, y = (width_px - side_px + 1) // 2, (height_px - side_px + 1) // 2
    return Rectangle(x=x, y=y, width=side_px, height=side_px)


def pixel_slices(rectangle: Rectangle, *, width_px: int, height_px: int) -> tuple[slice, slice]:
    """Return the rows and columns that a rectangle covers in an image, at least one each."""
    top, bottom = _span(rectangle.y, rectangle.height, limit=height_px)
    left, right = _span(rectangle.x, rectangle.width, limit=width_px)
    return slice(top, bottom), slice(left, right)


def fitted_size(width_px: int, height_px: int, *, max_side_px: int | None) -> tuple[int, int]:
    """Return the width and height of an image scaled down until no side exceeds the maximum."""
    longer_px = max(width_px, height_px)
    if max_side_px is None or longer_px <= max_side_px:
        return width_px, height_px
    scale = max_side_px / longer_px
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def scaled_rectangle(rectangle: Rectangle, *, x_scale: float, y_scale: float) -> Rectangle:
    """Return the same part of an image that was scaled."""
    return Rectangle(
        x=rectangle.x * x_scale,
        y=rectangle.y * y_scale,
        width=rectangle.width * x_scale,
        height=rectangle.height * y_scale,
    )


def crop_and_resize(
    image: ImageArray,
    rectangle: Rectangle,
    *,
    height_px: int,
    width_px: int,
    interpolation: Interpolation,
) -> ImageArray:
    """Crop a rectangle from `(height, width, 3)` and resize it to `(height_px, width_px, 3)`.

    `area` averages the pixels that a new pixel covers and suits strong downscaling. `nearest`
    gives the same pixels as Pillow. `bilinear` and `cubic` sample without smoothing.
    """
    rows, columns = pixel_slices(rectangle, width_px=image.shape[1], height_px=image.shape[0])
    part: NDArray[Any] = image[rows, columns]
    if part.shape[:2] != (height_px, width_px):
        part = cv2.resize(part, (width_px, height_px), interpolation=_FLAGS[interpolation])
    return np.ascontiguousarray(part, dtype=np.uint8)


def _span(start: float, length: float, *, limit: int) -> tuple[int, int]:
    first = min(max(round(start), 0), limit - 1)
    return first, min(max(round(start + length), first + 1), limit)
