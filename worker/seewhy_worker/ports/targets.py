"""The targets of a head: classes, their rivals and a sign."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seewhy.schemas.targets import Target

PADDING = -1_000_000
"""Fills unused entries of `TargetTensors.rivals`."""


@dataclass(frozen=True, slots=True)
class TargetTensors:
    """K targets for each of N images: NumPy arrays outside a head, tensors inside."""

    classes: Any
    """(N, K) int32 class indices; -r is the r-th most probable class."""
    rivals: Any
    """(N, K, R) int32, likewise, or `PADDING`. Their mean score is subtracted from the class's."""
    signs: Any
    """(N, K) float32; 1 explains what supports the target, -1 what opposes it."""

    @classmethod
    def pad(
        cls, targets: Sequence[tuple[Target, ...]], batch: int, count: int, rivals: int
    ) -> "TargetTensors":
        """Pad to (batch, count) targets of `rivals` rivals, with the predicted class."""
        tensors = cls(
            np.full((batch, count), -1, np.int32),
            np.full((batch, count, rivals), PADDING, np.int32),
            np.ones((batch, count), np.float32),
        )
        for row, image_targets in enumerate(targets):
            for column, target in enumerate(image_targets):
                tensors.classes[row, column] = target.index
                tensors.rivals[row, column, : len(target.rivals)] = target.rivals
                tensors.signs[row, column] = -1 if target.against else 1
        return tensors
