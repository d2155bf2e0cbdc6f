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
    x, y = peak_of(signed, covers=covers)
    return bool(box.x <= x < box.x + box.width and box.y <= y < box.y + box.height)


def energy_in_box(signed: AnyMapArray, *, covers: Rectangle, box: Box) -> float | None:
    """Return the share of the positive evidence that lies in the box, 0 to 1.

    The energy-based pointing game of Wang et al. 2020 (Score-CAM), arXiv:1910.01279, section 4.3.
    A cell that the box covers in part counts in proportion to the covered area.
    """
    if not _is_defined(signed, covers, box):
        return None
    evidence = positive_shares(signed)
    rows = _covered_shares(signed.shape[0], covers.y, covers.height, box.y, box.height)
    columns = _covered_shares(signed.shape[1], covers.x, covers.width, box.x, box.width)
    return float(rows @ evidence @ columns / evidence.sum())


def mean_in_box(signed: AnyMapArray, *, covers: Rectangle, box: Rectangle) -> float | None:
    """Return the mean of the map in the box, in the unit of the map.

    A cell counts in proportion to the part of it that the box covers. None when the map is not
    finite, and when the box lies outside `covers` or has no area.
    """
    rows = _covered_shares(signed.shape[0], covers.y, covers.height, box.y, box.height)
    columns = _covered_shares(signed.shape[1], covers.x, covers.width, box.x, box.width)
    covered = float(rows.sum() * columns.sum())
    if covered == 0 or not np.isfinite(signed).all():
        return None
    return float(rows @ signed.astype(np.float64) @ columns / covered)


def has_evidence(signed: AnyMapArray) -> bool:
    """Whether a map is finite and has positive evidence."""
    return bool(np.isfinite(signed).all() and signed.max() > 0)


def peak_of(signed: AnyMapArray, *, covers: Rectangle) -> tuple[float, float]:
    """Return x and y of the center of the largest cell, in pixels of the image."""
    row, column = np.unravel_index(np.argmax(signed), signed.shape)
    x = covers.x + covers.width * (float(column) + 0.5) / signed.shape[1]
    y = covers.y + covers.height * (float(row) + 0.5) / signed.shape[0]
    return x, y


def positive_shares(signed: AnyMapArray) -> NDArray[np.float64]:
    """Return the positive evidence of a map that has some, as shares of the largest.

    The division prevents overflow and underflow of sums.
    """
    return np.asarray(np.maximum(signed, 0).astype(np.float64) / float(signed.max()))


def _is_defined(signed: AnyMapArray, covers: Rectangle, box: Box) -> bool:
    seen = (
        max(box.x, covers.x) < min(box.x + box.width, covers.x + covers.width),
        max(box.y, covers.y) < min(box.y + box.height, covers.y + covers.height),
    )
    return all(seen) and has_evidence(signed)


def _covered_shares(
    cells: int, start: float, length: float, box_start: float, box_length: float
) -> NDArray[np.float64]:
    """Return the covered share of each cell along one axis, `(cells,)`."""
    edges = start + length * np.arange(cells + 1) / cells
    inside = np.clip(edges, box_start, box_start + box_length)
    return np.asarray(np.diff(inside) / np.diff(edges))
