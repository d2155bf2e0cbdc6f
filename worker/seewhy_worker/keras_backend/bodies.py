"""Compile bodies: functions from pixels to the cuts that all heads of an image share.

A forward pass goes through the head too and returns logits.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seewhy_worker.keras_backend.compiled_graph import CompiledGraph, to_numpy, translate_oom
from seewhy_worker.models.splitting.split_model import SplitModel, shared_body
from seewhy_worker.ports.cuts import Activation, CutTensors

CutSpec = tuple[tf.TensorSpec, ...]
"""The shapes and types of a cut: the activation of a layer, then what bypasses it."""


class Body:
    """The pass from pixels to the first cuts of splits of one network, for one batch size."""

    def __init__(
        self,
        *models: SplitModel,
        batch: int,
        xla: bool = False,
        function: Callable[[Any], Sequence[CutTensors]] | None = None,
    ) -> None:
        """Compile for pixels (batch, H, W, 3). Raises `OutOfMemory`.

        `function` computes the cuts in place of `shared_body`. With `xla`, XLA compiles the graph
        in its first run.
        """
        pixels = tf.TensorSpec((batch, *models[0].input_shape), tf.float32)
        self._graph = CompiledGraph(function or shared_body(models), pixels, xla=xla)
        self._names = [model.cut_name for model in models]
        self.cuts: dict[str, CutSpec] = dict(zip(self._names, self._graph.outputs, strict=True))
        """The shapes and types of the tensors of each cut, by its name."""

    @property
    def cut(self) -> CutSpec:
        """The shapes and types of the tensors of the first cut."""
        return self.cuts[self._names[0]]

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, CutTensors]:
        """Return the tensors of each cut, which stay on the device, by the name of the cut.

        Raises `OutOfMemory`.
        """
        return dict(zip(self._names, translate_oom(self._graph, pixels), strict=True))


def for_batch(cut: CutSpec, batch: int) -> CutSpec:
    """Return the shapes and types of a cut of another batch size."""
    return tuple(tf.TensorSpec((batch, *spec.shape[1:]), spec.dtype) for spec in cut)


def stack_activations(activations: Sequence[Activation], batch: int) -> CutTensors:
    """Return the rows as one cut of `batch` images, filled up with zeros.

    Rows that a body returned together in this order are not copied. Raises `OutOfMemory`.
    """
    tensors = activations[0].tensors
    if tensors[0].shape[0] == batch and all(
        one.tensors[0] is tensors[0] and one.row == row for row, one in enumerate(activations)
    ):
        return tensors

    def stack(position: int) -> Any:
        rows = [one.tensors[position][one.row] for one in activations]
        return tf.stack(rows + [tf.zeros_like(rows[0])] * (batch - len(rows)))

    return tuple(translate_oom(stack, position) for position in range(len(tensors)))


def compile_forward(
    model: SplitModel, body: Callable[[NDArray[np.float32]], Mapping[str, CutTensors]], cut: CutSpec
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Compile the forward pass from pixels (batch, H, W, 3) to logits (batch, classes).

    `body` computes the cut of the model, whose shapes and types are `cut`. The returned function
    raises `OutOfMemory` when the device runs out of memory.
    """
    graph = CompiledGraph(lambda cut: [tf.cast(model.head(cut), tf.float32)], cut)
    return lambda pixels: translate_oom(lambda: to_numpy(graph(body(pixels)[model.cut_name])))[0]
