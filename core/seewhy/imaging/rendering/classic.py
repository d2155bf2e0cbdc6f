"""The picture that the original recipe draws, step by step."""

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.geometry import pixel_slices
from seewhy.schemas.geometry import Rectangle

Pixels = NDArray[np.uint8]


def classic_overlay(photo: Pixels, signed: NDArray[np.float32], *, rectangle: Rectangle) -> Pixels:
    """Lay a map `(map_height, map_width)` over an RGB photo, `(height, width, 3)`.

    The map's own range becomes 0 to 255, in whole steps; these are resized bicubically, coloured
    by JET, and a quarter of the colour is added to half of the photo. Bicubic resizing overshoots
    and JET makes the weakest evidence blue: this is for comparison with older pictures. A map
    without a range is drawn as no evidence, and the part of the photo outside `rectangle`, which
    the map does not cover, likewise.
    """
    rows, columns = pixel_slices(rectangle, width_px=photo.shape[1], height_px=photo.shape[0])
    size_px = (columns.stop - columns.start, rows.stop - rows.start)
    steps = np.zeros(photo.shape[:2], np.uint8)
    steps[rows, columns] = cv2.resize(_steps(signed), size_px, interpolation=cv2.INTER_CUBIC)
    coloured = cv2.cvtColor(cv2.applyColorMap(steps, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(photo, 0.5, coloured, 0.25, 0).astype(np.uint8, copy=False)


def _steps(signed: NDArray[np.float32]) -> Pixels:
    lowest = signed.min()
    span = signed.max() - lowest
    if not (np.isfinite(span) and span > 0):
        return np.zeros(signed.shape, np.uint8)
    return np.asarray(255 * ((signed - lowest) / span), dtype=np.uint8)
