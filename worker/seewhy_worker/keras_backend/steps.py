"""Compile steps: functions from pixels and targets to maps, for fixed numbers of both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seewhy.errors import OutOfMemory
from seewhy.schemas.methods import ScoreKind
from seewhy_worker.cam.methods import Method
from seewhy_worker.keras_backend.layer_methods import explain_layers
from seewhy_worker.keras_backend.perturbation_methods import explain_perturbed
from seewhy_worker.keras_backend.pixel_methods import explain_pixels
from seewhy_worker.keras_backend.step_context import MethodOutput, StepContext
from seewhy_worker.keras_backend.target_tensors import TargetTensors
from seewhy_worker.models.splitting.split_model import SplitModel

T = TypeVar("T")

Pixels = NDArray[np.float32]
Step = Callable[[Pixels, TargetTensors], "StepOutput"]

_EXPLAIN_BY_NEED: dict[str, Callable[[StepContext, Any, TargetTensors], MethodOutput]] = {
    "activation": explain_layers,
    "gradient": explain_layers,
    "curvature": explain_layers,
    "masked": explain_perturbed,
    "ablated": explain_perturbed,
    "pixels": explain_pixels,
    "guided": explain_pixels,
}


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
    together. The step raises `OutOfMemory` when the device runs out of memory. Compiling raises
    `UnsupportedModel` when the method does not apply to the network.
    """
    specs = (
        tf.TensorSpec((batch, *model.input_shape), tf.float32),
        tf.TensorSpec((batch, targets), tf.int32),
        tf.TensorSpec((batch, targets, rivals), tf.int32),
        tf.TensorSpec((batch, targets), tf.float32),
    )
    if black is None:
        black = np.zeros(model.input_shape, np.float32)
    context = StepContext(model, method, score, black, chunk_size)
    explain_with_method = _EXPLAIN_BY_NEED[method.needs]

    def explain(pixels: Any, classes: Any, rivals: Any, signs: Any) -> tuple[Any, ...]:
        output = explain_with_method(context, pixels, TargetTensors(classes, rivals, signs))
        maps = tf.reshape(output.maps, (batch, targets, *output.maps.shape[1:]))
        peaks = tf.reshape(output.gradient_peak, (batch, targets))
        return maps, peaks, output.targets.classes, output.targets.rivals, output.logits

    compiled = _translate_oom(tf.function(explain, autograph=False).get_concrete_function, *specs)

    def step(pixels: Pixels, targets: TargetTensors) -> StepOutput:
        arrays = (pixels, targets.classes, targets.rivals, targets.signs)
        return StepOutput(*_translate_oom(_run, compiled, *arrays))

    return step


def compile_forward(model: SplitModel, *, batch: int) -> Callable[[Pixels], NDArray[np.float32]]:
    """Compile the forward pass from pixels (batch, H, W, 3) to logits (batch, classes).

    The returned function raises `OutOfMemory` when the device runs out of memory.
    """
    spec = tf.TensorSpec((batch, *model.input_shape), tf.float32)

    def forward(pixels: Any) -> tuple[Any]:
        return (tf.cast(model.head(model.body(pixels)), tf.float32),)

    compiled = _translate_oom(tf.function(forward, autograph=False).get_concrete_function, spec)
    return lambda pixels: _translate_oom(_run, compiled, pixels)[0]


def _run(compiled: Any, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
    return [tensor.numpy() for tensor in compiled(*(tf.constant(array) for array in arrays))]


def _translate_oom(call: Callable[..., T], *args: Any) -> T:
    try:
        return call(*args)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise OutOfMemory("the device ran out of memory: use a smaller batch") from error
