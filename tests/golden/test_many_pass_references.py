"""Compare methods with many passes with other libraries on the same weights and images.

Where a library departs from the method's paper, its own formula on our network must give its map.
"""

from functools import cache

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from golden.reference_models import (
    REFERENCES,
    TOLERANCE,
    Maps,
    ReferenceModel,
    distance,
    normalized,
    targets_of,
)
from seewhy_worker.cam.methods import Method
from seewhy_worker.keras_backend.bodies import Body
from seewhy_worker.keras_backend.heads import compile_head
from seewhy_worker.ports.targets import TargetTensors

BOTH = ("brain-tumour", "efficientnet-lite0")
CHUNK = 32


@pytest.mark.parametrize("model", BOTH)
def test_ablationcam_is_that_of_pytorch_grad_cam_times_the_score(
    reference_model_by_name: dict[str, ReferenceModel], model: str
) -> None:
    name = f"{model}/pytorch-grad-cam/ablationcam"
    targets = targets_of(name)
    scores = np.take_along_axis(REFERENCES[f"{model}/logits"][: len(targets)], targets, axis=1)
    expected = REFERENCES[name] * scores[..., None, None]
    found = reference_model_by_name[model].maps("ablationcam", targets)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("color", range(3))
def test_the_gradient_at_the_image_is_that_of_tf_keras_vis(
    reference_model_by_name: dict[str, ReferenceModel], model: str, color: int
) -> None:
    def of_color(gradient: tf.Tensor, moved: tf.Tensor, *, xp: object) -> tf.Tensor:
        return gradient[..., color]

    reference_model = reference_model_by_name[model]
    method = Method("one color", of_color, needs="pixels")
    body = Body(reference_model.split_model, batch=1)
    head = compile_head(reference_model.split_model, method, cut=body.cut, targets=1, rivals=0)
    target = REFERENCES[f"{model}/targets"][:1, :1].astype(np.int32)
    targets_ = TargetTensors(target, np.zeros((1, 1, 0), np.int32), np.ones((1, 1), np.float32))
    pixels = reference_model.pixels[:1]
    (cut,) = body(pixels).values()
    found = head(cut, pixels, targets_).maps[0, 0]
    expected = stored(f"{model}/tf-keras-vis/input-gradient")[..., color]
    distances = np.abs(found - expected) / np.abs(expected).max()
    # Where two inputs of a max-pool are equal but for rounding, another processor takes the other.
    assert (distances > TOLERANCE).mean() <= 1e-4
    assert distances.max() <= 10 * TOLERANCE


@pytest.mark.parametrize("library", ["pytorch-grad-cam", "tf-keras-vis"])
def test_guided_backpropagation_is_that_of_both_libraries(
    reference_model_by_name: dict[str, ReferenceModel], library: str
) -> None:
    first = REFERENCES["brain-tumour/targets"][:1, :1]
    (found,) = reference_model_by_name["brain-tumour"].maps("guided-backprop", first)[0]
    expected = np.abs(stored(f"brain-tumour/{library}/guided-backprop")).max(axis=2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * expected.max())


def stored(name: str) -> NDArray[np.float32]:
    """Return a gradient (H, W, 3)."""
    return REFERENCES[f"{name}/unit"].astype(np.float32) * REFERENCES[f"{name}/peak"]


def test_the_fusion_formula_of_pytorch_grad_cam_gives_its_map(
    reference_model_by_name: dict[str, ReferenceModel],
) -> None:
    """The library clips each layer's map and scales it to 0 … 1 first, which removes the sign."""
    reference_model = reference_model_by_name["brain-tumour"]
    first = REFERENCES["brain-tumour/targets"][:1, :1]
    height, width, _ = reference_model.pixels.shape[1:]
    resized = [
        cv2.resize(normalized(map_), (width, height))
        for map_ in (
            reference_model.maps("gradcam", first, [layer])[0, 0]
            for layer in ("block4_conv3", "block5_conv3")
        )
    ]
    found = normalized(np.mean(resized, axis=0))
    expected = REFERENCES["brain-tumour/pytorch-grad-cam/gradcam/fused"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("library", ["pytorch-grad-cam", "tf-keras-vis"])
def test_the_libraries_formulas_of_scorecam_give_their_maps(
    reference_model_by_name: dict[str, ReferenceModel], library: str
) -> None:
    name = f"efficientnet-lite0/{library}/scorecam"
    reference_model = reference_model_by_name["efficientnet-lite0"]
    activation, logits = all_channels(reference_model)
    assert_weighted_as(library, activation, logits, name)


@pytest.mark.parametrize("model", BOTH)
def test_the_formula_of_tf_keras_vis_of_the_faster_scorecam_gives_its_maps(
    reference_model_by_name: dict[str, ReferenceModel], model: str
) -> None:
    reference_model = reference_model_by_name[model]
    activation = np.asarray(reference_model.split_model.body(reference_model.pixels[:1])[0])[0]
    varied = np.argsort(-activation.std(axis=(0, 1)), kind="stable")[:10]
    chosen = activation[..., varied]
    logits = masked_logits(reference_model, chosen)
    assert_weighted_as("tf-keras-vis", chosen, logits, f"{model}/tf-keras-vis/faster-scorecam")


def assert_weighted_as(library: str, activation: Maps, logits: Maps, name: str) -> None:
    """Weigh channels (h, w, C) by logits (C, classes) as a library does, and compare."""
    across = 0 if library == "pytorch-grad-cam" else 1
    weights = np.asarray(keras.ops.softmax(logits.astype(np.float64), axis=across))
    found = np.stack([activation @ weights[:, target] for target in targets_of(name)[0]])
    assert distance(found[None], REFERENCES[name]).max() <= TOLERANCE


@cache
def all_channels(reference_model: ReferenceModel) -> tuple[Maps, Maps]:
    """Return the first image's activation (h, w, C), and the logits seen through each channel."""
    activation = np.asarray(reference_model.split_model.body(reference_model.pixels[:1])[0])[0]
    return activation, masked_logits(reference_model, activation)


def masked_logits(reference_model: ReferenceModel, activation: Maps) -> Maps:
    """Score the first image times each channel, as the libraries resize it: (C, classes)."""
    image = reference_model.pixels[0]
    down, across = (
        interpolation_matrix(few, many)
        for few, many in zip(activation.shape[:2], image.shape[:2], strict=True)
    )
    score = tf.function(
        lambda images: reference_model.split_model.head(reference_model.split_model.body(images))
    )
    logits = []
    for start in range(0, activation.shape[2], CHUNK):
        channels = activation[..., start : start + CHUNK]
        masks = normalized(np.einsum("yi,ijc,xj->cyx", down, channels, across, optimize=True))
        logits.append(score((image * masks[..., None]).astype(np.float32)).numpy())
    return np.concatenate(logits)


def interpolation_matrix(few: int, many: int) -> Maps:
    """Return a matrix (many, few) that interpolates linearly between aligned corners.

    The method's authors and seewhy align the centers of cells instead.
    """
    positions = np.linspace(0, few - 1, many)
    return np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(few)))
