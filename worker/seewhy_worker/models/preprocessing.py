"""Turn an image into the input that a network was trained on."""

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import (
    ModelSpec,
    ModulePreprocessing,
    Preprocessing,
    VggPreprocessing,
)
from seewhy.imaging import geometry
from seewhy.schemas.geometry import Rectangle
from seewhy_worker.models.operator_code import call_preprocessing

_IMAGENET_MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)


def prepare(image: NDArray[np.uint8], spec: ModelSpec) -> tuple[NDArray[np.float32], Rectangle]:
    """Crop, resize and preprocess an RGB image (H, W, 3) for the network of `spec`.

    Returns the network's input (h, w, 3) and the part of the image that it covers.
    """
    height_px, width_px, _ = image.shape
    covers = geometry.covered_rectangle(
        width_px, height_px, rule=spec.geometry.rule, fraction=spec.geometry.fraction
    )
    resized = geometry.crop_and_resize(
        image,
        covers,
        height_px=spec.input.height_px,
        width_px=spec.input.width_px,
        interpolation=spec.interpolation,
    )
    return preprocess(resized, spec.preprocessing), covers


def preprocess(image: NDArray[np.uint8], rule: Preprocessing) -> NDArray[np.float32]:
    """Convert an RGB image (H, W, 3), 0 to 255, to a new float32 array of the same shape.

    Raises `UnsupportedModel` when the operator's function cannot do so.
    """
    if isinstance(rule, ModulePreprocessing):
        return call_preprocessing(rule.function, image)
    pixels = image.astype(np.float32)
    if isinstance(rule, VggPreprocessing):
        return pixels[..., ::-1] - _IMAGENET_MEAN_BGR
    pixels -= np.asarray(rule.mean, np.float32)
    pixels /= np.asarray(rule.std, np.float32)
    return pixels
