"""Localization metrics: compare a map with a box that a person has drawn.

Maps are signed, `(map_height, map_width)`, and lie on the rectangle `covers` of the original
image. Boxes are in pixels of the upright image; only their part inside `covers` counts. Both
metrics are None when the map is not finite or has no positive evidence, and when the box lies
outside `covers`.
"""

import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.arrays import AnyMapArray
from seewhy.schemas.geometry import Box, Rectangle


def pointing_hit(signed: AnyMapArray, *, covers: Rectangle, box: Box) -> bool | None:
    """Return whether the center of the map's largest cell lies in the box.

    The pointing game of Zhang et al. 2016, arXiv:1608.00507, without its margin of 15 pixels. The
    first of several equal cells, in reading order, counts.
    """
    if not _is_defined(signed, covers, box):
        return None
    row, column = np.unravel_index(np.argmax(signed), signed.shape)
    x = covers.x + covers.width * (column + 0.5) / signed.shape[1]
    y = covers.y + covers.height * (row + 0.5) / signed.shape[0]
    return bool(box.x <= x < box.x + box.width and box.y <= y < box.y + box.height)


def energy_in_box(signed: AnyMapArray, *, covers: Rectangle, box: Box) -> float | None:
    """Return the share of the positive evidence that lies in the box, 0 to 1.

    The energy-based pointing game of Wang et al. 2020 (Score-CAM), arXiv:1910.01279, section 4.3.
    A cell that the box covers in part counts in proportion to the covered area.
    """
    if not _is_defined(signed, covers, box):
        return None
    # Division by the maximum prevents overflow and underflow of the sum.
    evidence = np.maximum(signed, 0).astype(np.float64) / float(signed.max())
    rows = _covered_shares(signed.shape[0], covers.y, covers.height, box.y, box.height)
    columns = _covered_shares(signed.shape[1], covers.x, covers.width, box.x, box.width)
    return float(rows @ evidence @ columns / evidence.sum())


def _is_defined(signed: AnyMapArray, covers: Rectangle, box: Box) -> bool:
    seen = (
        max(box.x, covers.x) < min(box.x + box.width, covers.x + covers.width),
        max(box.y, covers.y) < min(box.y + box.height, covers.y + covers.height),
    )
    return all(seen) and bool(np.isfinite(signed).all() and signed.max() > 0)


def _covered_shares(
    cells: int, start: float, length: float, box_start: float, box_length: float
) -> NDArray[np.float64]:
    """Return the covered share of each cell along one axis, `(cells,)`."""
    edges = start + length * np.arange(cells + 1) / cells
    inside = np.clip(edges, box_start, box_start + box_length)
    return np.asarray(np.diff(inside) / np.diff(edges))
