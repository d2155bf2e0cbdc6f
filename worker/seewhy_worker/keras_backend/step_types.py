"""What the strategies take and give."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from seewhy.schemas.methods import ScoreKind
from seewhy_worker.cam.methods import Method
from seewhy_worker.keras_backend.target_tensors import TargetTensors, values
from seewhy_worker.models.splitting import SplitModel


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step is compiled for."""

    parts: SplitModel
    method: Method
    score: ScoreKind
    black: Any
    """(H, W, 3), as the network takes it."""
    rows: int
    """How many pictures, or activations, go through the network together."""

    def values(self, logits: Any, aims: TargetTensors) -> Any:
        """What is explained: logits (M, classes) and M rows of aims → (M,)."""
        return values(tf.cast(logits, tf.float32), aims, self.score, self.parts.scoring)


@dataclass(frozen=True, slots=True)
class MethodOutput:
    """What a strategy makes of N pictures with K targets each; tensors."""

    maps: Any
    """(N·K, h, w), signed."""
    peak: Any
    """(N·K,), the largest magnitude of the gradient, or of what stands for it."""
    aims: TargetTensors
    """Resolved."""
    logits: Any
    """(N, classes)."""


def in_chunks(run: Any, count: int, size: int) -> Any:
    """Call `run(places)` for up to `size` of 0 … count - 1 at a time; return all rows together.

    `run` takes (n,) places and returns (n, …) float32. The last chunk begins anew at 0.
    """
    size = even(count, size)
    places = tf.reshape(tf.range(-(-count // size) * size) % count, (-1, size))
    rows = tf.map_fn(run, places, fn_output_signature=tf.float32, parallel_iterations=1)
    return tf.reshape(rows, (-1, *rows.shape[2:]))[:count]


def even(count: int, size: int) -> int:
    """Return the least size of chunks, as few as of `size`, so that the last is all but full."""
    chunks = -(-count // size)
    return -(-count // chunks)
