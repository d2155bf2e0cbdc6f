"""Render maps as heatmaps and overlays.

Maps are interpolated before they are colored, because blended colors stand for no value. The
interpolation is bilinear, because bicubic interpolation overshoots and invents evidence.
"""

import math

import cv2
import numpy as np

from seewhy.errors import InvalidRequest
from seewhy.imaging.arrays import AnyMapArray, ImageArray, row_bands
from seewhy.imaging.geometry import pixel_slices
from seewhy.imaging.maps import SMALLEST_MAXIMUM, Polarity, enlarge, evidence
from seewhy.imaging.rendering import colormaps
from seewhy.schemas.geometry import Rectangle

# A multiple of the scale, far beyond the colormap but safe to interpolate in float32.
_MAX_SHARE = 1e6


def heatmap(
    signed: AnyMapArray,
    *,
    rectangle: Rectangle,
    width_px: int,
    height_px: int,
    scale: float,
    colormap: str | None = None,
    polarity: Polarity = "positive",
    threshold: float = 0.0,
) -> ImageArray:
    """Draw a map `(map_height, map_width)` as RGBA, `(height_px, width_px, 4)`.

    `scale` is the evidence drawn with the strongest color; evidence below `threshold`, in the same
    unit, is drawn as none. The image is transparent outside
    `rectangle`, the part that the map covers. The default colormap is inferno, or the diverging
    colormap for signed polarity. Raises `InvalidRequest` when the colormap is unknown or cannot
    show both signs.
    """
    name = _choose_colormap(colormap, polarity)
    rows, columns = pixel_slices(rectangle, width_px=width_px, height_px=height_px)
    size_px = (columns.stop - columns.start, rows.stop - rows.start)
    steps = _steps(
        signed, size_px, scale=scale, polarity=polarity, colormap=name, threshold=threshold
    )
    drawn = np.zeros((height_px, width_px, 4), np.uint8)
    covered = drawn[rows, columns]
    for band in row_bands(*steps.shape):
        covered[band, :, :3] = _apply_table(steps[band], colormaps.color_table(name))
        covered[band, :, 3] = 255
    return drawn


def overlay(
    image: ImageArray,
    signed: AnyMapArray,
    *,
    rectangle: Rectangle,
    scale: float,
    colormap: str | None = None,
    alpha: float = 0.6,
    polarity: Polarity = "positive",
    threshold: float = 0.0,
) -> ImageArray:
    """Lay a map over an RGB image, `(height, width, 3)`.

    The arguments and errors are those of `heatmap`. Opacity grows with the evidence, from 0 to
    `alpha` (0 to 1) at the scale. The image does not change without evidence and outside
    `rectangle`.
    """
    if not 0 <= alpha <= 1:
        raise InvalidRequest(f"alpha must be between 0 and 1, not {alpha}")
    name = _choose_colormap(colormap, polarity)
    rows, columns = pixel_slices(rectangle, width_px=image.shape[1], height_px=image.shape[0])
    size_px = (columns.stop - columns.start, rows.stop - rows.start)
    steps = _steps(
        signed, size_px, scale=scale, polarity=polarity, colormap=name, threshold=threshold
    )

    zero = colormaps.zero_step(name)
    opacity = alpha * np.abs(np.arange(256) - zero) / (255 - zero)
    color_share = (colormaps.color_table(name) * opacity[:, np.newaxis]).round().astype(np.uint8)
    image_share = (255 * (1 - opacity)).round().astype(np.uint8)

    drawn = image.copy()
    covered = drawn[rows, columns]
    for band in row_bands(*steps.shape):
        kept = cv2.cvtColor(cv2.LUT(steps[band], image_share), cv2.COLOR_GRAY2RGB)
        dimmed = cv2.multiply(np.ascontiguousarray(covered[band]), kept, scale=1 / 255)
        covered[band] = cv2.add(dimmed, _apply_table(steps[band], color_share))
    return drawn


def _choose_colormap(colormap: str | None, polarity: Polarity) -> str:
    if polarity != "signed":
        return colormap or "inferno"
    if colormap not in {None, colormaps.DIVERGING}:
        raise InvalidRequest(f"signed maps need {colormaps.DIVERGING}, not {colormap!r}")
    return colormaps.DIVERGING


def _steps(
    signed: AnyMapArray,
    size_px: tuple[int, int],
    *,
    scale: float,
    polarity: Polarity,
    colormap: str,
    threshold: float,
) -> ImageArray:
    """Interpolate a map to `size_px`, (width, height), and return each pixel's colormap step."""
    zero = colormaps.zero_step(colormap)
    if not SMALLEST_MAXIMUM <= scale < math.inf:
        return np.full(size_px[::-1], zero, np.uint8)
    values = evidence(signed, polarity=polarity)
    if polarity == "negative" and colormap == colormaps.DIVERGING:
        values = -values
    shares = np.clip(values.astype(np.float64) / scale, -_MAX_SHARE, _MAX_SHARE)
    resized = enlarge(shares.astype(np.float32), width_px=size_px[0], height_px=size_px[1])
    np.clip(resized, -1, 1, out=resized)
    if threshold > 0:
        for band in row_bands(*resized.shape):
            resized[band][np.abs(resized[band]) < threshold / scale] = 0
    return cv2.convertScaleAbs(resized, alpha=255 - zero, beta=zero).astype(np.uint8, copy=False)


def _apply_table(steps: ImageArray, table: ImageArray) -> ImageArray:
    """Replace each step `(height, width)` by its color, `(height, width, 3)`."""
    colored = cv2.applyColorMap(steps, np.ascontiguousarray(table[:, np.newaxis]))
    return colored.astype(np.uint8, copy=False)
