"""Compare methods with one pass with other libraries on the same weights and images.

Where a library departs from the method's paper, or a sign means nothing, `DEPARTURES` has the
library's own formula: ours need not agree with the library there, but the formula must.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
    targets_of,
)
from seewhy_worker.cam.methods import find_method

OVER_SPACE = (-3, -2)


def with_epsilon(activation: Maps, gradient: Maps) -> Maps:
    """Grad-CAM++ with 1e-6 in the denominator, which is not small beside squared gradients."""
    squared = gradient**2
    total = activation.sum(axis=OVER_SPACE, keepdims=True)
    alpha = squared / (2 * squared + total * gradient**3 + 1e-6)
    return weighted(np.maximum(gradient, 0) * alpha, activation)


def with_alphas_that_sum_to_1(activation: Maps, gradient: Maps) -> Maps:
    """Grad-CAM++ with each channel's alphas divided by their sum, which the paper does not do."""
    total = activation.sum(axis=OVER_SPACE, keepdims=True)
    alpha = np.where(gradient == 0, 0, 1 / (2 + gradient * total))
    whole = alpha.sum(axis=OVER_SPACE, keepdims=True)
    return weighted(np.maximum(gradient, 0) * alpha / np.where(whole == 0, 1, whole), activation)


def weighted(weights: Maps, activation: Maps) -> Maps:
    return (weights.sum(axis=OVER_SPACE, keepdims=True) * activation).sum(axis=-1)


def first_component(values: Maps) -> Maps:
    """Project centered channels (…, h, w, C) on their first principal component, of either sign."""
    flat = values.reshape(*values.shape[:-3], -1, values.shape[-1])
    centered = flat - flat.mean(axis=-2, keepdims=True)
    # The eigenvectors of this matrix are the projections, and there are fewer cells than channels.
    squares, projections = np.linalg.eigh(centered @ np.swapaxes(centered, -1, -2))
    first = projections[..., -1] * np.sqrt(squares[..., -1:])
    return first.reshape(values.shape[:-1])


def logit(scores: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    return tf.gather(scores, target, batch_dims=1)


def finer_by_probability(scores: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The score minus those of the three nearest classes, weighted by their probabilities.

    The gradient also flows through the weights.
    """
    own = logit(scores, target)[:, None]
    rivals = tf.argsort(tf.abs(scores - own), axis=1)[:, 1:4]
    share = tf.gather(tf.nn.softmax(scores), rivals, batch_dims=1)
    gain = own - tf.gather(scores, rivals, batch_dims=1)
    return tf.reduce_sum(share * gain, axis=1) / tf.reduce_sum(share, axis=1)


@dataclass(frozen=True)
class Departure:
    """How a library computes a method that departs from its paper."""

    formula: Callable[[Maps, Maps], Maps]
    """(images, targets, h, w, C) activation and gradient → (images, targets, h, w)."""
    score: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = logit
    either_sign: bool = False
    tolerance: float = TOLERANCE


DEPARTURES = {
    ("pytorch-grad-cam", "gradcam++"): Departure(with_epsilon),
    # Its alphas have poles: float32 and float64 of the same formula differ by 0.004.
    ("tf-keras-vis", "gradcam++"): Departure(with_alphas_that_sum_to_1, tolerance=0.01),
    ("pytorch-grad-cam", "eigencam"): Departure(lambda a, g: first_component(a), either_sign=True),
    ("pytorch-grad-cam", "eigengradcam"): Departure(
        lambda a, g: first_component(g * a), either_sign=True
    ),
    ("pytorch-grad-cam", "finercam"): Departure(
        lambda a, g: weighted(g, a), score=finer_by_probability
    ),
}


NAMES = sorted(
    name
    for name in REFERENCES
    if name.count("/") == 2 and find_method(name.split("/")[-1]).single_pass
)
DEPARTING = [name for name in NAMES if tuple(name.split("/")[1:]) in DEPARTURES]


@pytest.mark.parametrize("model", ["brain-tumour", "efficientnet-lite0"])
def test_pytorch_gives_the_same_logits(
    reference_model_by_name: dict[str, ReferenceModel], model: str
) -> None:
    split_model, pixels = (
        reference_model_by_name[model].split_model,
        reference_model_by_name[model].pixels,
    )
    found = np.asarray(split_model.head(split_model.body(pixels)))
    np.testing.assert_allclose(found, REFERENCES[f"{model}/logits"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DEPARTING])
def test_a_method_agrees_with_the_libraries_that_have_it(
    reference_model_by_name: dict[str, ReferenceModel], name: str
) -> None:
    model, _, method = name.split("/")
    found = reference_model_by_name[model].maps(method, targets_of(name))
    assert distance(found, REFERENCES[name]).max() <= TOLERANCE


@pytest.mark.parametrize("name", DEPARTING)
def test_the_formula_of_a_departing_library_gives_its_maps(
    reference_model_by_name: dict[str, ReferenceModel], name: str
) -> None:
    model, library, method = name.split("/")
    departure = DEPARTURES[library, method]
    found = departure.formula(
        *arrays(reference_model_by_name[model], targets_of(name), departure.score)
    )
    distances = distance(found, REFERENCES[name])
    if departure.either_sign:
        distances = np.minimum(distances, distance(-found, REFERENCES[name]))
    assert distances.max() <= departure.tolerance


def arrays(
    reference_model: ReferenceModel,
    targets: NDArray[np.integer],
    score: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tuple[Maps, Maps]:
    """Take each target's gradient: both (images, targets, h, w, C), float64."""
    (activation,) = reference_model.split_model.body(reference_model.pixels)
    gradients = []
    for column in targets.T:
        with tf.GradientTape() as tape:
            tape.watch(activation)
            total = tf.reduce_sum(
                score(reference_model.split_model.head((activation,)), tf.constant(column))
            )
        gradients.append(tape.gradient(total, activation).numpy())
    gradient = np.stack(gradients, axis=1).astype(np.float64)
    return np.broadcast_to(activation.numpy()[:, None], gradient.shape).astype(np.float64), gradient
