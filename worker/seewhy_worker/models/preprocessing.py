"""From the pixels of a picture to the numbers a network was trained on."""

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.catalog import ModelSpec, Preprocessing, VggPreprocessing
from seewhy.imaging import geometry
from seewhy.schemas.geometry import Rectangle

_IMAGENET_MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)


def prepare(picture: NDArray[np.uint8], spec: ModelSpec) -> tuple[NDArray[np.float32], Rectangle]:
    """Bring an RGB picture (H, W, 3) to the input of `spec`; also say which part of it is seen."""
    height_px, width_px, _ = picture.shape
    covers = geometry.covered_rectangle(
        width_px, height_px, rule=spec.geometry.rule, fraction=spec.geometry.fraction
    )
    fitted = geometry.crop_and_resize(
        picture,
        covers,
        height_px=spec.input.height_px,
        width_px=spec.input.width_px,
        interpolation=spec.interpolation,
    )
    return preprocess(fitted, spec.preprocessing), covers


def preprocess(pixels: NDArray[np.uint8], rule: Preprocessing) -> NDArray[np.float32]:
    """Return a new (H, W, 3) float32 array made from (H, W, 3) RGB pixels, 0 to 255."""
    floats = pixels.astype(np.float32)
    if isinstance(rule, VggPreprocessing):
        return floats[..., ::-1] - _IMAGENET_MEAN_BGR
    floats -= np.asarray(rule.mean, np.float32)
    floats /= np.asarray(rule.std, np.float32)
    return floats
