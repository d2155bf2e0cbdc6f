"""The input and output types that all families of methods share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from seewhy.schemas.methods import ScoreKind
from seewhy_worker.cam.methods import Method
from seewhy_worker.keras_backend.target_tensors import TargetTensors, target_scores
from seewhy_worker.models.splitting.split_model import SplitModel


@dataclass(frozen=True, slots=True)
class StepContext:
    """Everything that is fixed when a step is compiled."""

    model: SplitModel
    method: Method
    score: ScoreKind
    black: Any
    """A black image (H, W, 3) after preprocessing."""
    chunk_size: int
    """How many images, or activations, go through the network together."""

    def target_scores(self, logits: Any, targets: TargetTensors) -> Any:
        """Compute the explained scores: logits (M, classes) and M flat targets → (M,)."""
        logits = tf.cast(logits, tf.float32)
        return target_scores(logits, targets, self.score, self.model.probability_function)


@dataclass(frozen=True, slots=True)
class MethodOutput:
    """The result of a method for N images with K targets each, as tensors."""

    maps: Any
    """(N·K, h, w), signed."""
    gradient_peak: Any
    """(N·K,), the largest magnitude of the gradient or of the quantity used in its place."""
    targets: TargetTensors
    """With ranks resolved."""
    logits: Any
    """(N, classes)."""


def map_in_chunks(run: Callable[[Any], Any], count: int, chunk_size: int) -> Any:
    """Apply `run` to the indices 0 … count - 1, at most `chunk_size` at a time.

    `run` takes (n,) indices and returns (n, …) float32. Returns (count, …). The last chunk is
    filled up with indices from the start, so that every chunk has the same size.
    """
    chunk_size = balanced_chunk_size(count, chunk_size)
    indices = tf.reshape(tf.range(-(-count // chunk_size) * chunk_size) % count, (-1, chunk_size))
    rows = tf.map_fn(run, indices, fn_output_signature=tf.float32, parallel_iterations=1)
    return tf.reshape(rows, (-1, *rows.shape[2:]))[:count]


def balanced_chunk_size(count: int, chunk_size: int) -> int:
    """Return the smallest chunk size that needs no more chunks than `chunk_size` does."""
    chunks = -(-count // chunk_size)
    return -(-count // chunks)
