"""Heads: what they are compiled for, take and return."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seewhy.schemas.methods import ScoreKind
from seewhy_worker.checkpoints.checkpoint import Checkpoint, no_checkpoint
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.targets import TargetTensors

Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """The parameters that a head is compiled for."""

    method: str
    score: ScoreKind
    layers: tuple[str, ...]
    """Empty for the model's target layer."""
    batch: int
    targets: int
    """Targets per image."""
    rivals: int
    """Rivals per target."""
    chunk_size: int
    """Images that a multi-pass method sends through the network together."""
    rescored: bool = False
    """Whether the scores are those that `Graphs.set_scoring` chose."""


class Head(Protocol):
    """The compiled explanation of a fixed number of images and targets."""

    def __call__(
        self,
        cut: CutTensors,
        pixels: Pixels,
        targets: TargetTensors,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> "HeadOutput":
        """Explain pixels (N, H, W, 3) from the cut that the body computed.

        Methods of many passes call `checkpoint` between them.
        """
        ...


@dataclass(frozen=True, slots=True)
class HeadOutput:
    """The result of one head for N images with K targets each, as NumPy arrays."""

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
