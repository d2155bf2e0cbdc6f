"""Heat as a picture: numbers are interpolated first and coloured last.

Colouring first would blend colours into ones that stand for no number; interpolation that
overshoots would invent evidence, hence bilinear.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.errors import InvalidRequest
from seewhy.imaging.geometry import pixel_slices
from seewhy.imaging.maps import Polarity, evidence
from seewhy.imaging.rendering import colormaps
from seewhy.schemas.geometry import Rectangle

Pixels = NDArray[np.uint8]

_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
# Times the scale: far beyond what is drawn, and safe to interpolate in float32.
_OFF_SCALE = 1e6


def heatmap(
    signed: NDArray[Any],
    *,
    rectangle: Rectangle,
    width_px: int,
    height_px: int,
    scale: float,
    colormap: str | None = None,
    polarity: Polarity = "positive",
) -> Pixels:
    """Draw a map `(map_height, map_width)` as RGBA, `(height_px, width_px, 4)`.

    `scale` is the value drawn as full heat. Outside `rectangle`, the part of the picture that the
    map covers, all is transparent. `colormap` unset is inferno, or the diverging one for signed.
    Raises `InvalidRequest` for a colormap that is unknown or cannot show both signs.
    """
    name = _suitable(colormap, polarity)
    rows, columns = pixel_slices(rectangle, width_px=width_px, height_px=height_px)
    size_px = (columns.stop - columns.start, rows.stop - rows.start)
    steps = _steps(signed, size_px, scale=scale, polarity=polarity, colormap=name)
    drawn = np.zeros((height_px, width_px, 4), np.uint8)
    drawn[rows, columns, :3] = _coloured(steps, colormaps.color_table(name))
    drawn[rows, columns, 3] = 255
    return drawn


def overlay(
    photo: Pixels,
    signed: NDArray[Any],
    *,
    rectangle: Rectangle,
    scale: float,
    colormap: str | None = None,
    alpha: float = 0.6,
    polarity: Polarity = "positive",
) -> Pixels:
    """Lay a map over an RGB photo, `(height, width, 3)`; arguments and errors as for `heatmap`.

    Opacity grows with the heat, from 0 to `alpha` at full heat, so that the photo stays as it is
    where there is no evidence, and outside the part that the map covers.
    """
    if not 0 <= alpha <= 1:
        raise InvalidRequest(f"alpha is between 0 and 1, not {alpha}")
    name = _suitable(colormap, polarity)
    rows, columns = pixel_slices(rectangle, width_px=photo.shape[1], height_px=photo.shape[0])
    size_px = (columns.stop - columns.start, rows.stop - rows.start)
    steps = _steps(signed, size_px, scale=scale, polarity=polarity, colormap=name)

    zero = colormaps.zero_step(name)
    opacity = alpha * np.abs(np.arange(256) - zero) / (255 - zero)
    colour_share = (colormaps.color_table(name) * opacity[:, np.newaxis]).round().astype(np.uint8)
    photo_share = (255 * (1 - opacity)).round().astype(np.uint8)

    kept = cv2.cvtColor(cv2.LUT(steps, photo_share), cv2.COLOR_GRAY2RGB)
    dimmed = cv2.multiply(np.ascontiguousarray(photo[rows, columns]), kept, scale=1 / 255)
    drawn = photo.copy()
    drawn[rows, columns] = cv2.add(dimmed, _coloured(steps, colour_share))
    return drawn


def _suitable(colormap: str | None, polarity: Polarity) -> str:
    if polarity != "signed":
        return colormap or "inferno"
    if colormap not in {None, colormaps.DIVERGING}:
        raise InvalidRequest(f"signed maps are drawn with {colormaps.DIVERGING}, not {colormap!r}")
    return colormaps.DIVERGING


def _steps(
    signed: NDArray[Any],
    size_px: tuple[int, int],
    *,
    scale: float,
    polarity: Polarity,
    colormap: str,
) -> Pixels:
    """Interpolate to `size_px`, (width, height), and say for each pixel its colormap step."""
    zero = colormaps.zero_step(colormap)
    if not _SMALLEST_SCALE <= scale < math.inf:
        return np.full(size_px[::-1], zero, np.uint8)
    numbers = evidence(signed, polarity=polarity)
    if polarity == "negative" and colormap == colormaps.DIVERGING:
        numbers = -numbers
    shares = np.clip(numbers.astype(np.float64) / scale, -_OFF_SCALE, _OFF_SCALE)
    heat = cv2.resize(shares.astype(np.float32), size_px, interpolation=cv2.INTER_LINEAR)
    np.clip(heat, -1, 1, out=heat)
    return cv2.convertScaleAbs(heat, alpha=255 - zero, beta=zero).astype(np.uint8, copy=False)


def _coloured(steps: Pixels, table: Pixels) -> Pixels:
    """Look every step up: `(height, width)` to `(height, width, 3)`."""
    coloured = cv2.applyColorMap(steps, np.ascontiguousarray(table[:, np.newaxis]))
    return coloured.astype(np.uint8, copy=False)
