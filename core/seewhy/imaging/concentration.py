"""Numbers that say where the positive evidence of a map is, from its cells alone.

Maps are signed, `(map_height, map_width)`. Values that are not finite count as 0. Without positive
evidence a number is None.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.arrays import AnyMapArray
from seewhy.imaging.maps import SMALLEST_MAXIMUM, evidence

BORDER_FRACTION = 1 / 14
"""How wide the border is on each side, as a share of the map: one cell of 14, at least one cell."""


def border_share(signed: AnyMapArray) -> float | None:
    """Return the share of the positive evidence that lies in the border of a map, 0 to 1.

    None for a map that is all border: less than three cells high or wide.
    """
    height, width = signed.shape
    shares = _shares(signed)
    if shares is None or min(height, width) < 3:
        return None
    rows, columns = _border(height), _border(width)
    return float(1 - shares[rows : height - rows, columns : width - columns].sum())


def border_area_share(map_height: int, map_width: int) -> float:
    """Return the share of the cells that are border: the border share of even evidence."""
    inside = (map_height - 2 * _border(map_height)) * (map_width - 2 * _border(map_width))
    return 1 - inside / (map_height * map_width)


def overlap(signed: AnyMapArray, other: AnyMapArray) -> float | None:
    """Return the share of the positive evidence that two maps have in the same cells, 0 to 1.

    The sum of the smaller share of each cell (histogram intersection). Maps of different sizes are
    averaged to the smaller height and width.
    """
    height, width = np.minimum(signed.shape, other.shape).tolist()
    first, second = (_shares(signed, height, width), _shares(other, height, width))
    if first is None or second is None:
        return None
    return float(np.minimum(first, second).sum())


def _border(cells: int) -> int:
    return max(1, round(cells * BORDER_FRACTION))


def _shares(
    signed: AnyMapArray, height: int | None = None, width: int | None = None
) -> NDArray[np.float64] | None:
    """Return what share of the evidence each cell has; None without evidence."""
    positive = evidence(signed, polarity="positive")
    if positive.max() < SMALLEST_MAXIMUM:
        return None
    scaled = (positive / positive.max()).astype(np.float64)
    if height and width and scaled.shape != (height, width):
        scaled = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(scaled / scaled.sum())
