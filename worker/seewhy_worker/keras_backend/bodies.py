"""Compile bodies: functions from pixels to the activation that all heads of an image share.

A forward pass goes through the head too and returns logits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seewhy_worker.keras_backend.compiled_graph import CompiledGraph, to_numpy, translate_oom
from seewhy_worker.models.splitting.split_model import SplitModel


class Body:
    """The pass from pixels to the activation of the first target layer, for one batch size.

    Or to those of all target layers, in one pass.
    """

    def __init__(self, model: SplitModel, *, batch: int, all_layers: bool = False) -> None:
        """Compile for pixels (batch, H, W, 3). Raises `OutOfMemory`."""

        def run(pixels: Any) -> list[Any]:
            first = model.body(pixels)
            return model.activations(first) if all_layers else [first]

        self._graph = CompiledGraph(run, tf.TensorSpec((batch, *model.input_shape), tf.float32))
        self._layers = model.layers if all_layers else model.layers[:1]
        self.activations = dict(zip(self._layers, self._graph.outputs, strict=True))
        """The shape (batch, h, w, C) and type of each activation, by the path of its layer."""

    @property
    def activation(self) -> tf.TensorSpec:
        """The shape and type of the activation of the first target layer."""
        return self.activations[self._layers[0]]

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, Any]:
        """Return activations (batch, h, w, C), which stay on the device, by path of the layer.

        Raises `OutOfMemory`.
        """
        return dict(zip(self._layers, translate_oom(self._graph, pixels), strict=True))


def for_batch(activation: tf.TensorSpec, batch: int) -> tf.TensorSpec:
    """Return the shape and type of an activation of another batch size."""
    return tf.TensorSpec((batch, *activation.shape[1:]), activation.dtype)


@dataclass(frozen=True, slots=True)
class Activation:
    """The activation of one image: a row of a tensor on the device."""

    tensor: Any
    """(N, h, w, C)."""
    row: int

    @property
    def bytes(self) -> int:
        """The size of the row."""
        return int(np.prod(self.tensor.shape[1:])) * int(self.tensor.dtype.size)

    def alone(self) -> "Activation":
        """Return a copy that keeps no other row in memory."""
        if self.tensor.shape[0] == 1:
            return self
        return Activation(self.tensor[self.row : self.row + 1], 0)


def stack_activations(activations: Sequence[Activation], batch: int) -> Any:
    """Return the rows as one tensor (batch, h, w, C), filled up with zeros.

    Rows that a body returned together in this order are not copied. Raises `OutOfMemory`.
    """
    tensor = activations[0].tensor
    if tensor.shape[0] == batch and all(
        one.tensor is tensor and one.row == row for row, one in enumerate(activations)
    ):
        return tensor

    def stack() -> Any:
        rows = [one.tensor[one.row] for one in activations]
        return tf.stack(rows + [tf.zeros_like(rows[0])] * (batch - len(rows)))

    return translate_oom(stack)


def compile_forward(
    model: SplitModel, *, batch: int
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Compile the forward pass from pixels (batch, H, W, 3) to logits (batch, classes).

    The returned function raises `OutOfMemory` when the device runs out of memory.
    """
    graph = CompiledGraph(
        lambda pixels: [tf.cast(model.head(model.body(pixels)), tf.float32)],
        tf.TensorSpec((batch, *model.input_shape), tf.float32),
    )
    return lambda pixels: translate_oom(lambda: to_numpy(graph(pixels)))[0]
