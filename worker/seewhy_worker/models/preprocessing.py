"""Turn an image into the input that a network was trained on."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import (
    ModelSpec,
    ModulePreprocessing,
    Preprocessing,
    VggPreprocessing,
)
from seewhy.imaging import geometry
from seewhy.schemas.channels import Channels
from seewhy.schemas.geometry import Rectangle
from seewhy_worker.models.operator_code import call_preprocessing

_IMAGENET_MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)


def prepare(image: NDArray[np.uint8], spec: ModelSpec) -> tuple[NDArray[np.float32], Rectangle]:
    """Crop, resize and preprocess an RGB image (H, W, 3) for the network of `spec`.

    Returns the network's input (h, w, channels) and the part of the image that it covers.
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
    return to_network_input(resized, spec), covers


def to_network_input(image: NDArray[np.uint8], spec: ModelSpec) -> NDArray[np.float32]:
    """Convert an RGB image (H, W, 3) to the input (H, W, channels) of the network of `spec`.

    Raises `UnsupportedModel` when the operator's function cannot do so.
    """
    return preprocess(select_channels(image, spec.channels), spec.preprocessing)


def preprocess(image: NDArray[Any], rule: Preprocessing) -> NDArray[np.float32]:
    """Convert an image (H, W, channels), 0 to 255, to a new float32 array of the same shape.

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


def select_channels(image: NDArray[np.uint8], channels: Channels) -> NDArray[Any]:
    """Return what a network sees of an RGB image (H, W, 3): the same, or one channel (H, W, 1).

    Luma is 0.299 R + 0.587 G + 0.114 B of ITU-R BT.601, rounded to uint8 as OpenCV does and files
    of gray images do. A weighted sum is float32.
    """
    if channels == "rgb":
        return image
    if channels == "luma":
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[..., np.newaxis]
    return image.astype(np.float32) @ np.asarray(channels, np.float32)[:, np.newaxis]
