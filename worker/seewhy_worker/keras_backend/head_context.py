"""The input and output types that all families of methods share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seewhy.schemas.methods import ScoreKind
from seewhy_worker.cam.methods import Method
from seewhy_worker.keras_backend.target_tensors import target_scores
from seewhy_worker.models.splitting.split_model import SplitModel
from seewhy_worker.ports.targets import TargetTensors

ForwardPass = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From pixels (n, H, W, 3) to logits (n, classes)."""


@dataclass(frozen=True, slots=True)
class Passes:
    """How a method of many passes sends images through the network."""

    images: int = 8
    """How many images, or activations, go through it together."""
    forward: Callable[[int], ForwardPass] | None = None
    """Returns the pass of so many images on the model's engine; None if that is TensorFlow, where
    the pass is a part of the graph that needs it."""
    rounds: bool = False
    """Whether the engine computes activations with fewer bits than the network has."""

    def ranks_from_pixels(self, method: Method) -> bool:
        """Return whether TensorFlow computes the activation again, to rank channels by it.

        Rounding changes which channels rank first.
        """
        return self.rounds and method.max_channels is not None


@dataclass(frozen=True, slots=True)
class HeadContext:
    """Everything that is fixed when a head is compiled."""

    model: SplitModel
    method: Method
    score: ScoreKind
    black: Any
    """A black image (H, W, 3) after preprocessing."""
    passes: Passes

    def target_scores(self, logits: Any, targets: TargetTensors) -> Any:
        """Compute the explained scores: logits (M, classes) and M flat targets → (M,)."""
        logits = tf.cast(logits, tf.float32)
        return target_scores(logits, targets, self.score, self.model.probability_function)


class HeadInputs(NamedTuple):
    """The arrays that a head takes for N images with K targets each, or their shapes and types."""

    cut: Any
    """The tensors that the body computes: (N, h, w, C), then what bypasses the layer."""
    pixels: Any
    """(N, H, W, 3)."""
    classes: Any
    rivals: Any
    signs: Any
    """The three as in `TargetTensors`."""

    @property
    def targets(self) -> tuple[Any, Any, Any]:
        """The three arrays of `TargetTensors`."""
        return self.classes, self.rivals, self.signs


@dataclass(frozen=True, slots=True)
class MethodOutput:
    """The result of a method for N images with K targets each, as tensors or arrays."""

    maps: Any
    """(N·K, h, w), signed."""
    gradient_peak: Any
    """(N·K,), the largest magnitude of the gradient or of the quantity used in its place."""
    targets: TargetTensors
    """With ranks resolved."""
    logits: Any
    """(N, classes)."""


def index_chunks(count: int, chunk_size: int) -> NDArray[np.int32]:
    """Divide the indices 0 … count - 1 into chunks of equal size: (chunks, size ≤ chunk_size).

    There are as few chunks as possible, and they are as small as possible. The last one is filled
    up with indices from the start.
    """
    chunks = -(-count // chunk_size)
    return np.resize(np.arange(count, dtype=np.int32), (chunks, -(-count // chunks)))
