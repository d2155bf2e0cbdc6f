"""The preprocessing that the classifier was trained with."""

import numpy as np
from numpy.typing import NDArray


def standardize(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give an RGB image (H, W, 3), 0 to 255, a mean of 0 and a deviation of 1.

    The deviation is at least that of a single pixel, so an image of one color becomes zeros.
    """
    pixels = image.astype(np.float32)
    deviation = max(float(pixels.std()), 1 / np.sqrt(pixels.size))
    return (pixels - pixels.mean()) / np.float32(deviation)
