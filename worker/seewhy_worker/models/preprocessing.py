"""From the pixels of a picture to the numbers a network was trained on."""

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog import Preprocessing, VggPreprocessing

_IMAGENET_MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)


def preprocess(pixels: NDArray[np.uint8], rule: Preprocessing) -> NDArray[np.float32]:
    """Return a new (H, W, 3) float32 array made from (H, W, 3) RGB pixels, 0 to 255."""
    floats = pixels.astype(np.float32)
    if isinstance(rule, VggPreprocessing):
        return floats[..., ::-1] - _IMAGENET_MEAN_BGR
    floats -= np.asarray(rule.mean, np.float32)
    floats /= np.asarray(rule.std, np.float32)
    return floats
