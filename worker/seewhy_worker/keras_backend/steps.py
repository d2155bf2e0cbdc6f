"""Compiled steps: from pictures and targets to maps, for fixed numbers of both."""

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
from seewhy_worker.keras_backend.step_types import MethodOutput, StepContext
from seewhy_worker.keras_backend.target_tensors import TargetTensors
from seewhy_worker.models.splitting import SplitModel

T = TypeVar("T")

Pixels = NDArray[np.float32]
Step = Callable[[Pixels, TargetTensors], "StepOutput"]

_STRATEGIES: dict[str, Callable[[StepContext, Any, TargetTensors], MethodOutput]] = {
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
    """What one compiled step returns for N pictures with K targets each."""

    maps: NDArray[np.float32]
    """(N, K, h, w), signed."""
    gradient_peak: NDArray[np.float32]
    """(N, K), the largest magnitude of what the map was made from; 1 where no gradient is used."""
    targets: NDArray[np.int32]
    """(N, K), class indices: ranks are resolved."""
    rivals: NDArray[np.int32]
    """(N, K, R), likewise, and `NOBODY`."""
    logits: NDArray[np.float32]
    """(N, classes)."""


def use_memory_as_needed() -> None:
    """Keep TensorFlow from reserving the whole of each GPU. Call before the first tensor."""
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)


def compile_step(
    parts: SplitModel,
    method: Method,
    *,
    batch: int,
    targets: int,
    rivals: int,
    score: ScoreKind = "logit",
    black: Pixels | None = None,
    rows: int = 8,
) -> Step:
    """Trace the explanation of exactly `batch` pictures with `targets` targets each.

    The step takes pixels (batch, H, W, 3) and aims of `targets` classes with `rivals` rivals each.
    `black` is what the network takes for a black picture, (H, W, 3), zeros if unset. A method of
    several passes takes a batch of one, and sends `rows` pictures through the network together.
    The step raises `OutOfMemory`, and compiling `UnsupportedModel` where a method has nothing to
    work with.
    """
    specs = (
        tf.TensorSpec((batch, *parts.input_shape), tf.float32),
        tf.TensorSpec((batch, targets), tf.int32),
        tf.TensorSpec((batch, targets, rivals), tf.int32),
        tf.TensorSpec((batch, targets), tf.float32),
    )
    dark = np.zeros(parts.input_shape, np.float32) if black is None else black
    asked = StepContext(parts, method, score, dark, rows)
    strategy = _STRATEGIES[method.needs]

    def explain(pixels: Any, classes: Any, against: Any, signs: Any) -> tuple[Any, ...]:
        made = strategy(asked, pixels, TargetTensors(classes, against, signs))
        maps = tf.reshape(made.maps, (batch, targets, *made.maps.shape[1:]))
        peak = tf.reshape(made.peak, (batch, targets))
        return maps, peak, made.aims.classes, made.aims.rivals, made.logits

    graph = _translating_oom(tf.function(explain, autograph=False).get_concrete_function, *specs)

    def step(pixels: Pixels, aims: TargetTensors) -> StepOutput:
        return StepOutput(
            *_translating_oom(_run, graph, pixels, aims.classes, aims.rivals, aims.signs)
        )

    return step


def compile_forward(parts: SplitModel, *, batch: int) -> Callable[[Pixels], NDArray[np.float32]]:
    """Trace the plain way from exactly `batch` pictures (batch, H, W, 3) to (batch, classes)."""
    spec = tf.TensorSpec((batch, *parts.input_shape), tf.float32)

    def forward(pixels: Any) -> tuple[Any]:
        return (tf.cast(parts.head(parts.body(pixels)), tf.float32),)

    graph = _translating_oom(tf.function(forward, autograph=False).get_concrete_function, spec)
    return lambda pixels: _translating_oom(_run, graph, pixels)[0]


def _run(graph: Any, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
    return [tensor.numpy() for tensor in graph(*(tf.constant(array) for array in arrays))]


def _translating_oom(call: Callable[..., T], *args: Any) -> T:
    try:
        return call(*args)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise OutOfMemory("the device ran out of memory: smaller batches may fit") from error
