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
from seewhy.explanations import MAX_TARGETS, Score
from seewhy_worker.cam.methods import Method
from seewhy_worker.models.splitting import Split

_THIN = "SeewhyThinMatMul"

T = TypeVar("T")
Step = Callable[[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]], "Raw"]

NOBODY = -1_000_000
"""Fills the places of rivals that are not there."""


@dataclass(frozen=True, slots=True)
class Raw:
    """What one compiled step returns for N pictures with K targets each."""

    maps: NDArray[np.float32]
    """(N, K, h, w), signed."""
    gradient_peak: NDArray[np.float32]
    """(N, K), the largest magnitude in the gradient at the target layer; 1 where none is used."""
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
    parts: Split, method: Method, *, batch: int, targets: int, rivals: int, score: Score = "logit"
) -> Step:
    """Trace the explanation of exactly `batch` pictures with `targets` targets each.

    The step takes pixels (batch, H, W, 3), targets (batch, targets), where -r asks for the r-th
    most probable class, and rivals (batch, rivals), in the same form or `NOBODY`, whose mean is
    taken off the score of each target. It raises `OutOfMemory`.
    """
    specs = (
        tf.TensorSpec((batch, *parts.input_shape), tf.float32),
        tf.TensorSpec((batch, targets), tf.int32),
        tf.TensorSpec((batch, rivals), tf.int32),
    )

    def explain(pixels: Any, wanted: Any, against: Any) -> tuple[Any, ...]:
        return _explain(parts, method, score, pixels, wanted, against)

    graph = _translating_oom(tf.function(explain, autograph=False).get_concrete_function, *specs)

    def step(
        pixels: NDArray[np.float32], wanted: NDArray[np.int32], against: NDArray[np.int32]
    ) -> Raw:
        return _translating_oom(_run, graph, pixels, wanted, against)

    return step


def _run(graph: Any, *arrays: NDArray[Any]) -> Raw:
    results = graph(*(tf.constant(array) for array in arrays))
    return Raw(*(tensor.numpy() for tensor in results))


def _explain(
    parts: Split, method: Method, score: Score, pixels: Any, wanted: Any, against: Any
) -> tuple[Any, ...]:
    batch, count = wanted.shape
    # Each picture's activation once per target, so that one pass through the head, forward and
    # back, serves all targets of all pictures and reads its weights once.
    copies = 1 if method.needs == "activation" else count
    activation = tf.repeat(parts.body(pixels), copies, axis=0)
    with tf.compat.v1.get_default_graph().gradient_override_map({"MatMul": _THIN}):
        rows = tf.cast(parts.head(activation), tf.float32)
    logits = rows[::copies]
    resolved = _resolve(wanted, logits)
    rivals = tf.repeat(_resolve(against, logits)[:, tf.newaxis], count, axis=1)
    if method.needs == "activation":
        maps = method.maps(tf.cast(activation, tf.float32), xp=keras.ops)
        maps, peak = tf.repeat(maps, count, axis=0), tf.ones((batch * count,))
    else:
        classes = tf.reshape(resolved, [-1])
        if method.rivals is not None:
            chosen = method.rivals(rows, classes, xp=keras.ops)
            rivals = tf.reshape(tf.cast(chosen, tf.int32), (batch, count, chosen.shape[1]))
        sharing = tf.reshape(rivals, (batch * count, rivals.shape[2]))
        total = _total(_scores(rows, score, parts.scoring), classes, sharing)
        arrays, peak = _derivatives(total, activation, method)
        maps = method.maps(*arrays, xp=keras.ops)
    return (
        tf.reshape(maps, (batch, count, *parts.map_shape)),
        tf.reshape(peak, (batch, count)),
        resolved,
        rivals,
        logits,
    )


def _scores(rows: Any, score: Score, scoring: str) -> Any:
    if score == "logit":
        return rows
    return tf.sigmoid(rows) if scoring == "sigmoid" else tf.nn.softmax(rows)


def _total(scores: Any, classes: Any, rivals: Any) -> Any:
    """Sum each row's score less the mean of its rivals: (M, classes), (M,), (M, R) → ().

    Rows do not touch each other, so the gradient of the sum is each row's own gradient.
    """
    own = tf.gather(scores, classes, batch_dims=1)
    if not rivals.shape[1]:
        return tf.reduce_sum(own)
    there = tf.cast(rivals >= 0, tf.float32)
    shares = there / tf.maximum(tf.reduce_sum(there, axis=1, keepdims=True), 1)
    others = tf.gather(scores, tf.maximum(rivals, 0), batch_dims=1)
    return tf.reduce_sum(own) - tf.reduce_sum(shares * others)


def _derivatives(total: Any, activation: Any, method: Method) -> tuple[list[Any], Any]:
    """Return what `method` needs, float32, and each row's largest gradient."""
    (gradient,) = tf.gradients(total, activation, unconnected_gradients="zero")
    arrays = [activation, gradient]
    if method.needs == "curvature":
        along = tf.reduce_sum(gradient * tf.stop_gradient(activation))
        arrays += tf.gradients(along, activation, unconnected_gradients="zero")
    exact = [tf.cast(array, tf.float32) for array in arrays]
    return exact, tf.reduce_max(tf.abs(exact[1]), axis=(1, 2, 3))


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
    resolved = tf.where(wanted >= 0, wanted, tf.gather(ranked, places, batch_dims=1))
    return tf.where(wanted == NOBODY, NOBODY, resolved)


def _translating_oom(call: Callable[..., T], *args: Any) -> T:
    try:
        return call(*args)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise OutOfMemory("the device ran out of memory: smaller batches may fit") from error
