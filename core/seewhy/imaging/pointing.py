"""Localization: does a map point at what a person has framed?

Maps are signed, `(map_height, map_width)`, and lie on the rectangle `covers` of the original
picture; boxes are in pixels of that picture, upright. A box counts as far as the map covers it.
Both measures are None where they cannot be said: for a map that is not finite or shows no evidence
for the class, and for a box of which the network saw nothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.geometry import Box, Rectangle

Map = NDArray[Any]


def pointing_hit(signed: Map, *, covers: Rectangle, box: Box) -> bool | None:
    """Say whether the centre of the map's largest cell lies in the box.

    The pointing game of Zhang et al. 2016, arXiv:1608.00507, without its margin of 15 pixels. Of
    equal cells the first in reading order counts.
    """
    if not _comparable(signed, covers, box):
        return None
    row, column = np.unravel_index(np.argmax(signed), signed.shape)
    x = covers.x + covers.width * (column + 0.5) / signed.shape[1]
    y = covers.y + covers.height * (row + 0.5) / signed.shape[0]
    return bool(box.x <= x < box.x + box.width and box.y <= y < box.y + box.height)


def energy_in_box(signed: Map, *, covers: Rectangle, box: Box) -> float | None:
    """Return the part of the positive evidence that lies in the box, 0 to 1.

    The energy-based pointing game of Wang et al. 2020 (Score-CAM), arXiv:1910.01279, section 4.3.
    A cell that the box's edge cuts counts by the part that lies inside.
    """
    if not _comparable(signed, covers, box):
        return None
    # By its peak, so that no sum is too large or too small for a float.
    evidence = np.maximum(signed, 0).astype(np.float64) / float(signed.max())
    rows = _shares(signed.shape[0], covers.y, covers.height, box.y, box.height)
    columns = _shares(signed.shape[1], covers.x, covers.width, box.x, box.width)
    return float(rows @ evidence @ columns / evidence.sum())


def _comparable(signed: Map, covers: Rectangle, box: Box) -> bool:
    seen = (
        max(box.x, covers.x) < min(box.x + box.width, covers.x + covers.width),
        max(box.y, covers.y) < min(box.y + box.height, covers.y + covers.height),
    )
    return all(seen) and bool(np.isfinite(signed).all() and signed.max() > 0)


def _shares(
    cells: int, start: float, length: float, box_start: float, box_length: float
) -> NDArray[np.float64]:
    """Return the part of each cell of one axis that a box covers, (cells,)."""
    edges = start + length * np.arange(cells + 1) / cells
    inside = np.clip(edges, box_start, box_start + box_length)
    return np.asarray(np.diff(inside) / np.diff(edges))
