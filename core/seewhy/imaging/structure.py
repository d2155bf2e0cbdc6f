"""How much of an image is more than a flat color, noise or fine texture."""

import cv2
import numpy as np
from numpy.typing import NDArray

TILES = 16
"""The tiles of a side. Photos differ between tiles of this size, noise within them."""


def structure(pixels: NDArray[np.float32]) -> float:
    """Return the share of the variance of an image that lies between its tiles, 0 to 1.

    `pixels` is (H, W, channels) in any unit, the network's input. The image is divided into 16 x 16
    tiles, fewer if it has fewer pixels, and the variances of the channels are added: the effect
    size eta squared of an analysis of variance. It is 0 for a flat color, the reciprocal of the
    pixels of a tile for independent noise, and above a half for most photos.
    """
    if not np.ptp(pixels, axis=(0, 1)).any():
        return 0.0
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    size = (min(TILES, width), min(TILES, height))
    tiles = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)
    return min(1.0, _variance(tiles) / _variance(pixels))


def _variance(pixels: NDArray[np.float32]) -> float:
    _, deviations = cv2.meanStdDev(pixels)
    return float((deviations**2).sum())
