"""The array types of images and maps, and bands of an image's rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

ImageArray = NDArray[np.uint8]
"""An image: `(height, width, 3)` RGB unless the docstring says otherwise."""

MapArray = NDArray[np.float32]
"""A map, `(map_height, map_width)`, or several, `(targets, map_height, map_width)`."""

AnyMapArray = NDArray[Any]
"""A map of any number type."""

BAND_PIXELS = 320_000
"""A band needs little memory. Images of 640 x 480 pixels are one band, which saves a copy."""


def row_bands(height_px: int, width_px: int) -> Iterator[slice]:
    """Divide the rows of an image into bands of about `BAND_PIXELS` pixels, from the top."""
    rows = max(1, BAND_PIXELS // width_px)
    for top in range(0, height_px, rows):
        yield slice(top, min(top + rows, height_px))
