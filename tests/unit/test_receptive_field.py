"""The receptive field of a layer is the part of the input that its cells depend on."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from seewhy_worker.models.splitting.graph import flatten
from seewhy_worker.models.splitting.receptive_field import find_receptive_field
from seewhy_worker.ports.model_facts import ReceptiveField

SIDE_PX = 64
Body = Callable[[Any], Any]


def conv(size: int, stride: int = 1, dilation: int = 1) -> layers.Layer:
    """Return a convolution with positive weights, through which nothing cancels out."""
    return layers.Conv2D(
        1, size, strides=stride, dilation_rate=dilation, padding="same",
        kernel_initializer="ones",
    )  # fmt: skip


def chain(*steps: layers.Layer) -> Body:
    def body(tensor: Any) -> Any:
        for step in steps:
            tensor = step(tensor)
        return tensor

    return body


def residual(tensor: Any) -> Any:
    tensor = conv(3, 2)(tensor)
    return layers.Add()([tensor, conv(3)(layers.ReLU()(conv(3)(tensor)))])


def inception(tensor: Any) -> Any:
    wide = layers.Conv2D(1, (1, 5), padding="same", kernel_initializer="ones")(tensor)
    both = layers.Conv2D(1, (5, 1), padding="same", kernel_initializer="ones")(wide)
    return layers.Concatenate()([conv(3)(tensor), both])


BODIES: dict[str, Body] = {
    "plain": chain(conv(3), conv(5)),
    "strided": chain(conv(3, 2), layers.BatchNormalization(), conv(3, 2), layers.ReLU(), conv(3)),
    "pooled": chain(conv(3), layers.AveragePooling2D(2), conv(3), layers.AveragePooling2D(3, 2)),
    "dilated": chain(conv(3, 1, 2), layers.ZeroPadding2D(1), conv(3, 1, 3)),
    "depthwise": chain(layers.DepthwiseConv2D(3, strides=2, depthwise_initializer="ones"), conv(1)),
    "residual": residual,
    "inception": inception,
}


def field_of(model: keras.Model) -> ReceptiveField | None:
    """Return the field of the last layer."""
    graph = flatten(model, (SIDE_PX, SIDE_PX, 1))
    (output,) = graph.outputs.values()
    return find_receptive_field(graph.calls, graph.input, output)


def model_of(body: Body) -> keras.Model:
    image = keras.Input((SIDE_PX, SIDE_PX, 1))
    return keras.Model(image, body(image))


def seen_rows(model: keras.Model, cell: int) -> tuple[int, int]:
    """Return the first and the last row of the input that a cell on the diagonal depends on."""
    image = tf.ones((1, SIDE_PX, SIDE_PX, 1))
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = tf.reduce_sum(model(image)[0, cell, cell])
    rows = np.nonzero(np.abs(tape.gradient(value, image)[0, ..., 0]).sum(axis=1))[0]
    return int(rows[0]), int(rows[-1])


@pytest.mark.parametrize("name", BODIES)
def test_the_gradient_of_a_cell_reaches_exactly_its_receptive_field(name: str) -> None:
    model = model_of(BODIES[name])
    field = field_of(model)
    assert field is not None
    middle = model.output_shape[1] // 2
    first, last = seen_rows(model, middle)
    assert last - first + 1 == field.field_px
    assert seen_rows(model, middle + 1)[0] - first == field.stride_px


def test_the_last_convolution_of_vgg16_sees_196_pixels() -> None:
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
    graph = flatten(model, (64, 64, 3))
    (output,) = (call.outputs[0] for call in graph.calls if call.path == "block5_conv3")
    assert find_receptive_field(graph.calls, graph.input, output) == ReceptiveField(16, 196)


@pytest.mark.parametrize(
    "body",
    [
        chain(conv(3), layers.Resizing(32, 32)),
        chain(conv(3), layers.LayerNormalization(axis=(1, 2, 3))),
        chain(layers.Conv2D(1, (1, 5), padding="same")),
        lambda tensor: layers.Multiply()(
            [tensor, layers.GlobalAveragePooling2D(keepdims=True)(conv(3)(tensor))]
        ),
        lambda tensor: layers.Add()([conv(1, 2)(tensor), layers.Resizing(32, 32)(tensor)]),
    ],
    ids=["resized", "normalized", "not square", "squeeze and excitation", "two strides"],
)
def test_a_field_that_is_not_known_is_not_invented(body: Body) -> None:
    assert field_of(model_of(body)) is None
