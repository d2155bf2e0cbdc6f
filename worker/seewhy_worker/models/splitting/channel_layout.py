"""Detect channels-first tensors, and make channels-first convolutions run on any device.

TensorFlow runs channels-first convolutions on GPUs only. Each is replaced by an equivalent
channels-last clone between two transpositions.
"""

from typing import Any

import keras

from seewhy_worker.models.splitting.graph import Call, Graph

CHANNEL_COUNTS = frozenset({1, 3})
"""Gray and RGB."""
TO_CHANNELS_LAST, TO_CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def is_channels_first_image(shape: tuple[int | None, ...]) -> bool:
    """Return whether an image shape is (N, channels, H, W), with three channels or one.

    An ambiguous shape is (N, H, W, channels).
    """
    return shape[-1] not in CHANNEL_COUNTS and shape[1] in CHANNEL_COUNTS


def find_channels_first(graph: Graph) -> set[int]:
    """Return the `id` of every rank 4 tensor that is (N, C, h, w).

    An operation with a `data_format` determines its output's layout; any other operation keeps
    the layout of its input.
    """
    found = {id(graph.input)} if is_channels_first_image(graph.input.shape) else set()
    for call in graph.calls:
        input_is_first = any(id(tensor) in found for tensor in call.inputs)
        if _outputs_channels_first(call, input_is_first=input_is_first):
            found |= {id(output) for output in call.outputs if len(output.shape) == 4}
    return found


def with_portable_convolutions(graph: Graph) -> Graph:
    """Return a graph whose convolutions run on any device. Replacements copy the weights."""
    for call in graph.calls:
        operation = call.operation
        if (
            isinstance(operation, keras.layers.Conv2D | keras.layers.Conv2DTranspose)
            and operation.data_format == "channels_first"
        ):
            portable = _ChannelsLastConvolution(operation, call.inputs[0].shape)
            graph = graph.with_operation(call, portable)
    return graph


def clone_layer(
    layer: keras.layers.Layer, input_shape: tuple[int | None, ...], **changes: Any
) -> keras.layers.Layer:
    """Clone a layer with a copy of its weights and with `changes` to its config."""
    clone = type(layer).from_config({**layer.get_config(), **changes})
    clone.build(input_shape)
    clone.set_weights(layer.get_weights())
    return clone


class _ChannelsLastConvolution:
    """A channels-first convolution, computed in channels-last layout."""

    def __init__(self, layer: keras.layers.Layer, input_shape: tuple[int | None, ...]) -> None:
        """Clone a layer that was built for `input_shape` (N, C, h, w)."""
        channels_last = tuple(input_shape[axis] for axis in TO_CHANNELS_LAST)
        self._layer = clone_layer(layer, channels_last, data_format="channels_last")

    def __call__(self, tensor: Any) -> Any:
        result = self._layer(keras.ops.transpose(tensor, TO_CHANNELS_LAST))
        return keras.ops.transpose(result, TO_CHANNELS_FIRST)


def _outputs_channels_first(call: Call, *, input_is_first: bool) -> bool:
    operation = call.operation
    axes = getattr(operation, "axes", None)
    if isinstance(operation, keras.layers.Permute):
        axes = (0, *operation.dims)
    if axes is not None and tuple(axes) in {TO_CHANNELS_LAST, TO_CHANNELS_FIRST}:
        return tuple(axes) == TO_CHANNELS_FIRST
    data_format = getattr(operation, "data_format", None)
    return input_is_first if data_format is None else bool(data_format == "channels_first")
