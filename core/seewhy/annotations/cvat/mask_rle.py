"""The masks of CVAT: runs in the box of the mask.

The pixels of the box are read row by row, and the first run is one of zeros; it is 0 when the first
pixel is in the mask. Left, top, right and bottom are the outermost pixels of the box, inclusive.
"""

from collections.abc import Sequence

import numpy as np

from seewhy.annotations.annotation import ImageSize, MaskArray, bounds_of
from seewhy.annotations.runs import decode_runs, encode_runs, whole
from seewhy.errors import InvalidAnnotation

MAX_RUNS = 4_000_000


def encode_mask(mask: MaskArray) -> list[int]:
    """Encode a mask `(height, width)` as CVAT's API has it: runs, left, top, right and bottom.

    The numbers are those of `cvat_sdk.masks.encode_mask`. Raises `InvalidAnnotation` for a mask
    without pixels.
    """
    left, top, right, bottom = bounds_of(mask)
    inside = np.asarray(mask, np.bool_)[top:bottom, left:right]
    return [*encode_runs(inside.ravel()), left, top, right - 1, bottom - 1]


def decode_mask(numbers: Sequence[object], size: ImageSize) -> MaskArray:
    """Decode the numbers of CVAT's API to the mask of an image, `(height, width)`.

    Raises `InvalidAnnotation` when they are malformed or not within the image.
    """
    if not 5 <= len(numbers) <= MAX_RUNS:
        raise InvalidAnnotation(f"a mask of CVAT must be a list of 5 to {MAX_RUNS} numbers")
    left, top, right, bottom = (whole(number, "an edge of the mask") for number in numbers[-4:])
    if not (left <= right < size.width_px and top <= bottom < size.height_px):
        raise InvalidAnnotation("the box of the mask is not within the image")
    height, width = bottom - top + 1, right - left + 1
    mask = np.zeros((size.height_px, size.width_px), np.bool_)
    runs = decode_runs(numbers[:-4], height * width)
    mask[top : bottom + 1, left : right + 1] = runs.reshape(height, width)
    return mask
