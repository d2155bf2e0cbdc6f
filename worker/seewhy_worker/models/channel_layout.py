"""Channels last or first: where a network keeps its channels, and convolutions that run anywhere.

TensorFlow convolves channels-first tensors on GPUs alone, so such a convolution is replaced by a
channels-last twin between two transpositions, which compute the same.
"""

from typing import Any

import keras

from seewhy_worker.models.graph import Call, Graph

TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def picture_is_channels_first(shape: tuple[int | None, ...]) -> bool:
    """Whether a picture (N, …) is (N, 3, H, W); (N, H, W, 3) where both could be meant."""
    return shape[-1] != 3 and shape[1] == 3


def channels_first(graph: Graph) -> set[int]:
    """Find the symbols of rank 4 that are (N, C, h, w), by `id`.

    An operation with a data format knows; any other hands on what it was given.
    """
    found = {id(graph.picture)} if picture_is_channels_first(graph.picture.shape) else set()
    for call in graph.calls:
        first = _is_first(call, any(id(symbol) in found for symbol in call.inputs))
        found |= {id(output) for output in call.outputs if first and len(output.shape) == 4}
    return found


def runnable(graph: Graph) -> Graph:
    """Return the graph with convolutions that run on any device. Their weights are copies."""
    for call in graph.calls:
        operation = call.operation
        if (
            isinstance(operation, keras.layers.Conv2D | keras.layers.Conv2DTranspose)
            and operation.data_format == "channels_first"
        ):
            graph = graph.with_call(call, _ChannelsLast(operation, call.inputs[0].shape))
    return graph


def clone_layer(
    layer: keras.layers.Layer, input_shape: tuple[int | None, ...], **changes: Any
) -> keras.layers.Layer:
    """Make a layer with some settings changed, and a copy of the weights."""
    made = type(layer).from_config({**layer.get_config(), **changes})
    made.build(input_shape)
    made.set_weights(layer.get_weights())
    return made


class _ChannelsLast:
    """A channels-first convolution, computed channels last."""

    def __init__(self, layer: keras.layers.Layer, shape: tuple[int | None, ...]) -> None:
        """Take the layer and the shape (N, C, h, w) that it was built for."""
        last = tuple(shape[axis] for axis in TO_LAST)
        self._layer = clone_layer(layer, last, data_format="channels_last")

    def __call__(self, tensor: Any) -> Any:
        result = self._layer(keras.ops.transpose(tensor, TO_LAST))
        return keras.ops.transpose(result, TO_FIRST)


def _is_first(call: Call, given_first: bool) -> bool:
    operation = call.operation
    order = getattr(operation, "axes", None)
    if isinstance(operation, keras.layers.Permute):
        order = (0, *operation.dims)
    if order is not None and tuple(order) in {TO_LAST, TO_FIRST}:
        return tuple(order) == TO_FIRST
    stated = getattr(operation, "data_format", None)
    return given_first if stated is None else bool(stated == "channels_first")
