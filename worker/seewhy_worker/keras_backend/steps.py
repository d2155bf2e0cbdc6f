"""Compile steps: functions from pixels and targets to maps, for fixed numbers of both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seewhy.schemas.methods import ScoreKind
from seewhy_worker.cam.methods import Method
from seewhy_worker.checkpoints.checkpoint import Checkpoint, no_checkpoint
from seewhy_worker.keras_backend.compiled_graph import CompiledGraph, to_numpy, translate_oom
from seewhy_worker.keras_backend.layer_methods import explain_layers
from seewhy_worker.keras_backend.perturbation_methods import PerturbationStep
from seewhy_worker.keras_backend.pixel_methods import PixelStep
from seewhy_worker.keras_backend.step_context import MethodOutput, StepContext, StepInputs
from seewhy_worker.keras_backend.target_tensors import TargetTensors
from seewhy_worker.models.splitting.split_model import SplitModel

Pixels = NDArray[np.float32]
MethodStep = Callable[[StepInputs, Checkpoint], MethodOutput]


class Step(Protocol):
    """The compiled explanation of a fixed number of images and targets."""

    def __call__(
        self, pixels: Pixels, targets: TargetTensors, checkpoint: Checkpoint = no_checkpoint
    ) -> "StepOutput":
        """Explain pixels (N, H, W, 3). Methods of many passes call `checkpoint` between them."""
        ...


@dataclass(frozen=True, slots=True)
class StepOutput:
    """The result of one compiled step for N images with K targets each, as NumPy arrays."""

    maps: NDArray[np.float32]
    """(N, K, h, w), signed."""
    gradient_peak: NDArray[np.float32]
    """(N, K), the largest magnitude of the gradient; 1 for methods without a gradient."""
    targets: NDArray[np.int32]
    """(N, K), class indices with ranks resolved."""
    rivals: NDArray[np.int32]
    """(N, K, R), class indices with ranks resolved, or `PADDING`."""
    logits: NDArray[np.float32]
    """(N, classes)."""


def enable_memory_growth() -> None:
    """Keep TensorFlow from reserving all memory of each GPU. Call this before any tensor exists."""
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)


def hide_gpus() -> None:
    """Keep TensorFlow from using GPUs. Call this before any tensor exists."""
    tf.config.set_visible_devices([], "GPU")


def compile_step(
    model: SplitModel,
    method: Method,
    *,
    batch: int,
    targets: int,
    rivals: int,
    score: ScoreKind = "logit",
    black: Pixels | None = None,
    chunk_size: int = 8,
) -> Step:
    """Compile the explanation of exactly `batch` images with `targets` targets each.

    The step takes pixels (batch, H, W, 3) and `TargetTensors` with `rivals` rivals per target.
    `black` is a black image (H, W, 3) after preprocessing, by default zeros. A method with
    several passes requires a batch of one; it sends `chunk_size` images through the network
    together, and each chunk is a graph of its own. The step raises `OutOfMemory` when the device
    runs out of memory. Compiling raises `UnsupportedModel` when the method does not apply to the
    network.
    """
    inputs = StepInputs(
        tf.TensorSpec((batch, *model.input_shape), tf.float32),
        tf.TensorSpec((batch, targets), tf.int32),
        tf.TensorSpec((batch, targets, rivals), tf.int32),
        tf.TensorSpec((batch, targets), tf.float32),
    )
    if black is None:
        black = np.zeros(model.input_shape, np.float32)
    context = StepContext(model, method, score, black, chunk_size)
    explain = _COMPILE_BY_NEED.get(method.needs, _compile_single_pass)(context, inputs)

    def step(
        pixels: Pixels, targets: TargetTensors, checkpoint: Checkpoint = no_checkpoint
    ) -> StepOutput:
        arrays = StepInputs(pixels, targets.classes, targets.rivals, targets.signs)
        return translate_oom(lambda: _to_step_output(explain(arrays, checkpoint)))

    return step


def compile_forward(model: SplitModel, *, batch: int) -> Callable[[Pixels], NDArray[np.float32]]:
    """Compile the forward pass from pixels (batch, H, W, 3) to logits (batch, classes).

    The returned function raises `OutOfMemory` when the device runs out of memory.
    """
    graph = CompiledGraph(
        lambda pixels: [tf.cast(model.head(model.body(pixels)), tf.float32)],
        tf.TensorSpec((batch, *model.input_shape), tf.float32),
    )
    return lambda pixels: translate_oom(lambda: to_numpy(graph(pixels)))[0]


def _compile_single_pass(context: StepContext, inputs: StepInputs) -> MethodStep:
    def explain(pixels: Any, *targets: Any) -> tuple[Any, ...]:
        output = explain_layers(context, pixels, TargetTensors(*targets))
        found = output.targets
        return output.maps, output.gradient_peak, found.classes, found.rivals, output.logits

    graph = CompiledGraph(explain, *inputs)

    def step(arrays: StepInputs, _: Checkpoint) -> MethodOutput:
        maps, peaks, classes, rivals, logits = graph(*arrays)
        return MethodOutput(maps, peaks, TargetTensors(classes, rivals, arrays.signs), logits)

    return step


_COMPILE_BY_NEED: dict[str, Callable[[StepContext, StepInputs], MethodStep]] = {
    "masked": PerturbationStep,
    "ablated": PerturbationStep,
    "pixels": PixelStep,
    "guided": PixelStep,
}
"""Methods of many passes."""


def _to_step_output(output: MethodOutput) -> StepOutput:
    targets = output.targets
    arrays = (output.maps, output.gradient_peak, targets.classes, targets.rivals, output.logits)
    maps, peaks, classes, *rest = map(np.asarray, arrays)
    maps = maps.reshape(*classes.shape, *maps.shape[1:])
    return StepOutput(maps, peaks.reshape(classes.shape), classes, *rest)
