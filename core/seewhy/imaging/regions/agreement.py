"""Agreement of a map with the pixels of an image that a person has annotated.

Maps are signed, `(map_height, map_width)`, and lie on the rectangle `covers` of the original image.
Masks are `(height, width)` of the upright original image; only their part inside `covers` counts.
"""

import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.arrays import AnyMapArray, row_bands
from seewhy.imaging.geometry import pixel_slices
from seewhy.imaging.pointing import has_evidence, peak_of, positive_shares
from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.schemas.agreement import Agreement
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.regions import Threshold


def measure_agreement(
    signed: AnyMapArray, *, covers: Rectangle, mask: NDArray[np.bool_], threshold: Threshold
) -> Agreement:
    """Compare a map with the annotated pixels.

    - `pointing_hit`: the pointing game of Zhang et al. 2016, arXiv:1608.00507, without its margin
      of 15 pixels.
    - `energy_inside`: the energy-based pointing game of Wang et al. 2020 (Score-CAM),
      arXiv:1910.01279, section 4.3, for any mask. A cell that is annotated in part counts in
      proportion to the annotated area.
    - `coverage`: the energy of a map whose cells are all equal.
    - `iou`: of the pixels whose evidence reaches the threshold, interpolated as in the overlay.

    It takes 3 bytes per pixel in addition to the mask and the segmentation.
    """
    shares = annotated_shares(mask, covers=covers, cells=signed.shape)
    coverage = float(shares.mean())
    if coverage == 0 or not has_evidence(signed):
        return Agreement(coverage=coverage)
    x, y = peak_of(signed, covers=covers)
    evidence = positive_shares(signed)
    return Agreement(
        pointing_hit=bool(mask[int(y), int(x)]),
        energy_inside=min(1.0, float((shares * evidence).sum() / evidence.sum())),
        coverage=coverage,
        iou=_iou(signed, covers=covers, mask=mask, threshold=threshold),
    )


def annotated_shares(
    mask: NDArray[np.bool_], *, covers: Rectangle, cells: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the annotated share of the area of each cell of a map of the shape `cells`."""
    height_px, width_px = mask.shape
    map_height, map_width = cells
    edges_x = _edges(covers.x, covers.width, map_width, limit=width_px)
    edges_y = _edges(covers.y, covers.height, map_height, limit=height_px)
    columns = np.empty((height_px, map_width))
    for rows in row_bands(height_px, width_px):
        columns[rows] = _sums(mask[rows].T, edges_x).T
    area = (covers.width / map_width) * (covers.height / map_height)
    return np.asarray(np.minimum(_sums(columns, edges_y) / area, 1.0))


def _edges(start: float, length: float, cells: int, *, limit: int) -> NDArray[np.float64]:
    """Return the edges of cells along an axis of an image, `(cells + 1,)` pixels."""
    return np.clip(start + length * np.arange(cells + 1) / cells, 0, limit)


def _sums(values: NDArray[np.generic], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum `(pixels, n)` between edges that may divide pixels, to `(cells, n)`."""
    before = np.zeros((values.shape[0] + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=before[1:])
    whole = np.minimum(edges.astype(int), values.shape[0] - 1)
    part = (edges - whole)[:, None]
    return np.diff(before[whole] + part * values[whole], axis=0)


def _iou(
    signed: AnyMapArray, *, covers: Rectangle, mask: NDArray[np.bool_], threshold: Threshold
) -> float:
    height_px, width_px = mask.shape
    segmentation = Segmentation(
        signed, rectangle=covers, width_px=width_px, height_px=height_px, threshold=threshold
    )
    rows, columns = pixel_slices(covers, width_px=width_px, height_px=height_px)
    region = segmentation.mask(segmentation.found)[rows, columns] > 0
    seen = mask[rows, columns]
    union = np.count_nonzero(region | seen)
    return float(np.count_nonzero(region & seen) / union)
