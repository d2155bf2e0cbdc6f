"""The overlay of the original Grad-CAM recipe, step by step."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.arrays import ImageArray, MapArray, row_bands
from seewhy.imaging.geometry import pixel_slices
from seewhy.schemas.geometry import Rectangle


def classic_overlay(image: ImageArray, signed: MapArray, *, rectangle: Rectangle) -> ImageArray:
    """Lay a map `(map_height, map_width)` over an RGB image `(height, width, 3)`.

    The image and the map are each stretched to 0 to 255 by their own minimum and maximum. The
    map's steps are resized bicubically and colored with JET; a quarter of the color is added to
    half of the image. Bicubic resizing overshoots and JET draws the weakest evidence in blue, so
    use this only for comparison with older overlays.

    A constant image becomes black. A map without a finite range is drawn as no evidence, and so
    is the part of the image outside `rectangle`. The whole image is stretched by one range, so
    the edge of the rectangle shows no seam in the image.
    """
    rows, columns = pixel_slices(rectangle, width_px=image.shape[1], height_px=image.shape[0])
    size_px = (columns.stop - columns.start, rows.stop - rows.start)
    steps = np.zeros(image.shape[:2], np.uint8)
    if np.isfinite(signed).all():
        inside = _stretch(np.ascontiguousarray(signed))
        steps[rows, columns] = cv2.resize(inside, size_px, interpolation=cv2.INTER_CUBIC)
    # The recipe stretches the image as floats. OpenCV gives the same values for integers.
    lowest, highest = int(image.min()), int(image.max())
    table = np.zeros(256, np.uint8)
    table[lowest : highest + 1] = _stretch(np.arange(lowest, highest + 1, dtype=np.uint8))
    drawn = np.empty_like(image)
    for band in row_bands(image.shape[0], image.shape[1]):
        jet = cv2.applyColorMap(steps[band], cv2.COLORMAP_JET)
        colored = cv2.cvtColor(jet, cv2.COLOR_BGR2RGB)
        drawn[band] = cv2.addWeighted(cv2.LUT(image[band], table), 0.5, colored, 0.25, 0)
    return drawn


def _stretch(values: NDArray[Any]) -> ImageArray:
    """Map the minimum to 0 and the maximum to 255, rounded; a constant array becomes 0."""
    stretched = cv2.normalize(values, np.empty(0), 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
    return stretched.astype(np.uint8, copy=False)
