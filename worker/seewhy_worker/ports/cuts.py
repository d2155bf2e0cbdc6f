"""Cuts: what the body computes for all heads of an image."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

CutTensors = tuple[Any, ...]
"""The values at a cut: the activation (N, h, w, C) of its target layer, then what bypasses it, of
any rank with the batch axis first."""


@dataclass(frozen=True, slots=True)
class Activation:
    """What heads need of one image: a row of all tensors of a cut, on the device."""

    tensors: CutTensors
    """(N, h, w, C), then what bypasses the layer."""
    row: int
    engine: str = ""
    """What computed it, with version and precision; empty if that does not matter."""

    @property
    def bytes(self) -> int:
        """The size of the row."""
        return sum(math.prod(one.shape[1:]) * _itemsize(one.dtype) for one in self.tensors)

    def alone(self) -> "Activation":
        """Return a copy that keeps no other row in memory."""
        if self.tensors[0].shape[0] == 1:
            return self
        return Activation(
            tuple(one[self.row : self.row + 1] for one in self.tensors), 0, self.engine
        )


def _itemsize(dtype: Any) -> int:
    return int(np.dtype(getattr(dtype, "as_numpy_dtype", dtype)).itemsize)
