"""The selection of a request, in its image and in the pixels that a model scores."""

import numpy as np
from numpy.typing import NDArray

from seewhy.annotations.annotation import ImageSize, MaskArray
from seewhy.annotations.coco.mask_rle import decode_counts
from seewhy.errors import InvalidAnnotation, InvalidRequest
from seewhy.schemas.geometry import Box, Rectangle
from seewhy.schemas.within import CocoMask, Within


def check_within(within: Within, *, width_px: int, height_px: int) -> None:
    """Require a selection that has a part of an image of this size.

    Raises `InvalidRequest`, and `InvalidAnnotation` for a malformed mask.
    """
    box, mask = within.box, within.mask
    if box is not None:
        is_beside = box.x >= width_px or box.x + box.width <= 0
        if is_beside or box.y >= height_px or box.y + box.height <= 0:
            raise InvalidRequest(
                f"The box of within lies outside the image of {width_px} by {height_px} pixels; "
                "give x, y, width and height in pixels of the upright image."
            )
    if mask is not None:
        try:
            counts = _counts(mask, ImageSize(width_px, height_px))
        except InvalidAnnotation as error:
            raise InvalidAnnotation(f"The mask of within: {error}.") from error
        if not any(counts[1::2]):
            raise InvalidRequest("The mask of within marks no pixel; mark the object.")


def cells_within(within: Within, covers: Rectangle, shape: tuple[int, int]) -> MaskArray:
    """Return which cells of a grid of this shape, (rows, columns), are in the selection.

    The grid divides `covers`, a part of the image; a cell is in the selection when its center is.
    Raises `InvalidRequest` when no cell is.
    """
    rows, columns = shape
    y = covers.y + (np.arange(rows) + 0.5) * covers.height / rows
    x = covers.x + (np.arange(columns) + 0.5) * covers.width / columns
    inside: MaskArray = np.zeros(shape, bool)
    if within.box:
        inside = _in_box(within.box, y, x)
    if within.mask:
        inside = _in_mask(within.mask, y, x)
    if not inside.any():
        raise InvalidRequest(
            f"No cell that the model scores has its center in the selection of within: it scores "
            f"{columns} by {rows} cells of the {covers.width:g} by {covers.height:g} pixels at "
            f"({covers.x:g}, {covers.y:g}). Select a larger part, or another one."
        )
    return inside


def _in_box(box: Box, y: NDArray[np.float64], x: NDArray[np.float64]) -> MaskArray:
    rows = (box.y <= y) & (y < box.y + box.height)
    columns = (box.x <= x) & (x < box.x + box.width)
    inside: MaskArray = rows[:, np.newaxis] & columns
    return inside


def _in_mask(mask: CocoMask, y: NDArray[np.float64], x: NDArray[np.float64]) -> MaskArray:
    """Look the pixels up in the runs, so that the mask is never as large as the image."""
    height_px, width_px = mask.size
    ends = np.cumsum(_counts(mask, ImageSize(width_px, height_px)))
    rows = np.clip(y.astype(int), 0, height_px - 1)
    columns = np.clip(x.astype(int), 0, width_px - 1)
    runs = np.searchsorted(ends, columns * height_px + rows[:, np.newaxis], side="right")
    return np.asarray(runs % 2 == 1)


def _counts(mask: CocoMask, size: ImageSize) -> list[int]:
    counts = mask.counts if isinstance(mask.counts, str) else list(mask.counts)
    return decode_counts({"size": list(mask.size), "counts": counts}, size)
