"""The backend: gradients, compilation, devices and memory, in TensorFlow's words.

The one module that would be written anew for another Keras backend.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seewhy.errors import OutOfMemory
from seewhy.explanations import MAX_TARGETS
from seewhy_worker.cam.methods import Method
from seewhy_worker.models.splitting import Split

_THIN = "SeewhyThinMatMul"

T = TypeVar("T")
Step = Callable[[NDArray[np.float32], NDArray[np.int32]], "Raw"]


@dataclass(frozen=True, slots=True)
class Raw:
    """What one compiled step returns for N pictures with K targets each."""

    maps: NDArray[np.float32]
    """(N, K, h, w), signed."""
    gradient_peak: NDArray[np.float32]
    """(N, K), the largest magnitude in the gradient at the target layer."""
    targets: NDArray[np.int32]
    """(N, K), class indices: ranks are resolved."""
    logits: NDArray[np.float32]
    """(N, classes)."""


def use_memory_as_needed() -> None:
    """Keep TensorFlow from reserving the whole of each GPU. Call before the first tensor."""
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)


def compile_step(parts: Split, method: Method, *, batch: int, targets: int) -> Step:
    """Trace the explanation of exactly `batch` pictures with `targets` targets each.

    The step takes pixels (batch, H, W, 3) and targets (batch, targets), where -r asks for the
    r-th most probable class. It raises `OutOfMemory`.
    """
    pixels_spec = tf.TensorSpec((batch, *parts.input_shape), tf.float32)
    targets_spec = tf.TensorSpec((batch, targets), tf.int32)

    def explain(pixels: Any, wanted: Any) -> tuple[Any, ...]:
        return _explain(parts, method, pixels, wanted)

    graph = _translating_oom(
        tf.function(explain, autograph=False).get_concrete_function, pixels_spec, targets_spec
    )

    def step(pixels: NDArray[np.float32], wanted: NDArray[np.int32]) -> Raw:
        return _translating_oom(_run, graph, pixels, wanted)

    return step


def _run(graph: Any, pixels: NDArray[np.float32], wanted: NDArray[np.int32]) -> Raw:
    results = graph(tf.constant(pixels), tf.constant(wanted))
    return Raw(*(tensor.numpy() for tensor in results))


def _explain(parts: Split, method: Method, pixels: Any, wanted: Any) -> tuple[Any, ...]:
    batch, count = wanted.shape
    # Each picture's activation once per target, so that one pass through the head, forward and
    # back, serves all targets of all pictures and reads its weights once.
    activation = tf.repeat(parts.body(pixels), count, axis=0)
    with tf.compat.v1.get_default_graph().gradient_override_map({"MatMul": _THIN}):
        rows = tf.cast(parts.head(activation), tf.float32)
    logits = rows[::count]
    resolved = _resolve(wanted, logits)
    # Rows do not touch each other, so the gradient of the sum is each row's own gradient.
    score = tf.reduce_sum(tf.gather(rows, tf.reshape(resolved, [-1]), batch_dims=1))
    (gradient,) = tf.gradients(score, activation, unconnected_gradients="zero")
    gradient = tf.cast(gradient, tf.float32)
    maps = method.maps(tf.cast(activation, tf.float32), gradient, xp=keras.ops)
    peak = tf.reduce_max(tf.abs(gradient), axis=(1, 2, 3))
    return (
        tf.reshape(maps, (batch, count, *parts.map_shape)),
        tf.reshape(peak, (batch, count)),
        resolved,
        logits,
    )


def _thin_matmul_gradient(product: Any, upstream: Any) -> tuple[Any, Any]:
    """Do what TensorFlow's own gradient of `a @ b` does, with the big matrix on the left.

    TensorFlow computes a's gradient as `upstream @ bᵀ`, which on a CPU is many times slower than
    `(b @ upstreamᵀ)ᵀ` when upstream has a few rows and b is large: for VGG16's first dense layer
    477 ms against 28 at 2 rows, 179 against 27 at 8, 202 against 56 at 40.
    """
    a, b = product.inputs
    a_turned, b_turned = product.get_attr("transpose_a"), product.get_attr("transpose_b")
    for_a = tf.matmul(b, upstream, transpose_a=b_turned, transpose_b=True)
    for_b = tf.matmul(a, upstream, transpose_a=not a_turned)
    return (
        for_a if a_turned else tf.transpose(for_a),
        tf.transpose(for_b) if b_turned else for_b,
    )


tf.RegisterGradient(_THIN)(_thin_matmul_gradient)


def _resolve(wanted: Any, logits: Any) -> Any:
    """Replace ranks by class indices: (N, K) int32 and (N, classes) → (N, K) int32."""
    depth = min(MAX_TARGETS, logits.shape[-1])
    ranked = tf.math.top_k(logits, depth).indices
    places = tf.clip_by_value(-wanted - 1, 0, depth - 1)
    return tf.where(wanted >= 0, wanted, tf.gather(ranked, places, batch_dims=1))


def _translating_oom(call: Callable[..., T], *args: Any) -> T:
    try:
        return call(*args)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise OutOfMemory("the device ran out of memory: smaller batches may fit") from error
