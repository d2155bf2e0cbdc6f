"""Heads with their gradients give the maps of TensorFlow when OpenVINO computes them."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import networks
from seewhy.schemas.methods import METHODS, ScoreKind
from seewhy.schemas.targets import MAX_RIVALS
from seewhy_worker.cam.derivatives import Derivatives
from seewhy_worker.cam.methods import find_method
from seewhy_worker.keras_backend.heads import compile_head
from seewhy_worker.keras_backend.plain_gradients import plain_gradients
from seewhy_worker.keras_backend.score_derivatives import score_derivatives
from seewhy_worker.models.splitting.split_model import SplitModel, split
from seewhy_worker.openvino_backend.compiled_model import CompiledModel
from seewhy_worker.openvino_backend.conversion import to_openvino
from seewhy_worker.ports.heads import HeadOutput
from seewhy_worker.ports.targets import PADDING, TargetTensors

TOLERANCE = 1e-4
"""Of a map's largest magnitude."""
METHODS_OF_ONE_PASS = [name for name in METHODS if find_method(name).single_pass]


def dense_head(hidden: Any) -> Any:
    """Max pooling, and a square dense layer, as in VGG16."""
    hidden = layers.Flatten()(layers.MaxPooling2D()(hidden))
    hidden = layers.Dense(16, "relu", kernel_initializer=networks.seeded_initializer(3))(hidden)
    return layers.Dense(16, "relu", kernel_initializer=networks.seeded_initializer(4))(hidden)


def convolutional_head(hidden: Any) -> Any:
    """Batch normalization, squeeze and excitation, and the activations of mobile networks."""
    initializer = networks.seeded_initializer(6)
    hidden = layers.BatchNormalization(gamma_initializer=initializer)(hidden)
    hidden = layers.Activation("hard_swish")(hidden)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(hidden)
    gate = layers.Conv2D(4, 1, activation="sigmoid", kernel_initializer=initializer)(gate)
    hidden = layers.Multiply()([hidden, gate])
    hidden = layers.MaxPooling2D(3, strides=2, padding="same")(hidden)
    hidden = layers.Conv2D(6, 3, activation="silu", kernel_initializer=initializer)(hidden)
    return layers.GlobalAveragePooling2D()(hidden)


HEADS = {"probability": dense_head, "logit": convolutional_head}
"""The head to explain each kind of score with."""


@pytest.fixture(scope="module", params=HEADS)
def score(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def model(score: ScoreKind) -> SplitModel:
    image = networks.image_input()
    hidden = networks.conv(4, "conv", 2)(image)
    scores = layers.Dense(5, kernel_initializer=networks.seeded_initializer(5))
    return split(keras.Model(image, scores(HEADS[score](hidden))), "conv")


@pytest.fixture(scope="module")
def compiled(model: SplitModel) -> Callable[[Derivatives], CompiledModel]:
    @cache
    def compile_derivatives(kind: Derivatives) -> CompiledModel:
        converted = to_openvino(
            lambda activation, *targets: score_derivatives(
                model, kind, (activation,), TargetTensors(*targets)
            ),
            tf.TensorSpec((None, *model.map_shape, 4), tf.float32),
            tf.TensorSpec((None, 1), tf.int32),
            tf.TensorSpec((None, 1, MAX_RIVALS), tf.int32),
            tf.TensorSpec((None, 1), tf.float32),
        )
        return CompiledModel(converted, threads=1)

    return compile_derivatives


def targets_of_two_images(rivals: int) -> TargetTensors:
    targets = TargetTensors.pad([(), ()], 2, 3, rivals)
    targets.classes[:] = [[-1, -2, 4], [-2, 0, -1]]
    targets.rivals[:, :, :1] = [[[-2], [-3], [1]], [[-1], [3], [-2]]]
    targets.signs[1] = -1
    return targets


def explain_by_tensorflow(
    model: SplitModel, method: str, score: ScoreKind, activation: Any, targets: TargetTensors
) -> HeadOutput:
    _, count, rivals = targets.rivals.shape
    head = compile_head(
        model,
        find_method(method),
        cut=(tf.TensorSpec(activation.shape, tf.float32),),
        targets=count,
        rivals=rivals,
        score=score,
    )
    return head((activation,), np.zeros((2, *model.input_shape), np.float32), targets)


@pytest.mark.parametrize("method", METHODS_OF_ONE_PASS)
def test_maps_from_converted_derivatives_are_those_of_tensorflow(
    model: SplitModel,
    compiled: Callable[[Derivatives], CompiledModel],
    method: str,
    score: ScoreKind,
) -> None:
    activation = np.asarray(model.body(np.stack(noise(2)))[0])
    targets = targets_of_two_images(rivals=2)
    expected = explain_by_tensorflow(model, method, score, activation, targets)
    rows = np.repeat(activation, 3, axis=0)
    rivals = np.full((6, 1, MAX_RIVALS), PADDING, np.int32)
    rivals[:, 0, :2] = targets.rivals.reshape(6, 2)

    logits, classes, found_rivals, *derivatives = compiled(
        Derivatives.of(find_method(method), score)
    )(rows, targets.classes.reshape(6, 1), rivals, targets.signs.reshape(6, 1))
    maps = find_method(method).formula(rows, *derivatives, xp=np)

    width = expected.rivals.shape[2]
    np.testing.assert_array_equal(classes.reshape(2, 3), expected.targets)
    np.testing.assert_array_equal(found_rivals.reshape(2, 3, -1)[..., :width], expected.rivals)
    np.testing.assert_allclose(logits[::3], expected.logits, rtol=1e-5, atol=1e-5)
    peak = np.abs(expected.maps).max()
    np.testing.assert_allclose(
        maps.reshape(expected.maps.shape), expected.maps, atol=TOLERANCE * peak
    )


def noise(count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    return list(generator.standard_normal((count, 12, 12, 3)).astype(np.float32))


def gradient(function: Callable[[Any], Any], values: Any, *, plain: bool) -> Any:
    def compute(tensor: Any) -> Any:
        upstream = tf.random.stateless_normal(function(tensor).shape, [1, 2])
        with plain_gradients() if plain else nullcontext():
            (found,) = tf.gradients(function(tensor), tensor, upstream)
        return found

    return tf.function(compute, autograph=False)(tf.constant(values)).numpy()


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "ReLU": tf.nn.relu,
    "ReLU to 6": lambda x: tf.nn.relu6(5 * x),
    "leaky ReLU": tf.nn.leaky_relu,
    "ELU": tf.nn.elu,
    "softplus": tf.nn.softplus,
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "max pooling": lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"),
    "max pooling that overlaps": lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"),
    "max pooling with gaps": lambda x: tf.nn.max_pool2d(x, 1, 2, "SAME"),
    "max pooling of zeros": lambda x: tf.nn.max_pool2d(tf.nn.relu(x - 1), (3, 2), (1, 2), "VALID"),
    "mean": lambda x: tf.reduce_mean(x, (1, -2)),
    "sum that keeps its axes": lambda x: tf.reduce_sum(x, -1, keepdims=True),
    "sum with a broadcast": lambda x: x + tf.reduce_mean(x, (1, 2), keepdims=True),
    "product with a vector": lambda x: x * tf.reduce_sum(x, (0, 1, 2)),
    "difference": lambda x: 1 - x[..., :1] - x,
    "quotient": lambda x: x / (3 + tf.reduce_max(tf.abs(x), -1, keepdims=True)),
    "maximum": lambda x: tf.maximum(x, tf.reduce_mean(x, 1, keepdims=True)),
    "minimum": lambda x: tf.minimum(x, 0.1),
    "squared difference": lambda x: tf.math.squared_difference(x, x[:, :1]),
    "choice": lambda x: tf.where(x > 0.2, x, 2 * x[:, :1, :1]),
    "part": lambda x: tf.slice(x, [0, 1, 0, 1], [-1, 3, 7, 2]),
    "square product": lambda x: tf.matmul(tf.reshape(x, (-1, 3)), tf.reshape(x, (-1, 3))[:3]),
    "product": lambda x: tf.matmul(tf.reshape(x, (-1, 3)), tf.reshape(x, (-1, 7))[:3]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_gradient_of_plain_operations_is_that_of_tensorflow(name: str) -> None:
    values = np.random.default_rng(0).standard_normal((2, 7, 7, 3)).astype(np.float32)

    expected = gradient(FUNCTIONS[name], values, plain=False)

    found = gradient(FUNCTIONS[name], values, plain=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
