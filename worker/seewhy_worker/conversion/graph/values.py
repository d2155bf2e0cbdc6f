"""Values between operators, in the axis order of ONNX or of Keras."""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

BATCH = 3
"""Stands for the length of the batch axis in shapes that the network computes with."""
_TO_IMAGE, _FROM_IMAGE = (0, 2, 3, 1), (0, 3, 1, 2)
_IMAGE_AXES = (0, 3, 1, 2)
"""Where each axis of (N, C, h, w) is in (N, h, w, C)."""


@dataclass(frozen=True, slots=True)
class Value:
    """A constant, or a symbolic tensor."""

    tensor: Any
    """A NumPy array in the axis order of ONNX, or a `KerasTensor`."""
    is_image: bool = False
    """Whether the axes are (N, h, w, C) where ONNX has (N, C, h, w)."""
    nonnegative: bool = False
    """Whether no element can be below 0."""

    @property
    def is_constant(self) -> bool:
        """Whether the value does not depend on the input."""
        return isinstance(self.tensor, np.ndarray)

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.tensor.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes in the order of ONNX, with `BATCH` for that of the batch."""
        if self.is_constant:
            return tuple(self.tensor.shape)
        lengths = [BATCH if length is None else length for length in self.tensor.shape]
        return tuple(lengths[axis] for axis in _IMAGE_AXES) if self.is_image else tuple(lengths)

    def axis(self, onnx_axis: int) -> int:
        """Return where an axis of ONNX, which may count from the end, is in the tensor."""
        axis = onnx_axis % self.rank
        return _IMAGE_AXES[axis] if self.is_image else axis

    def as_image(self) -> "Value":
        """Return a tensor of rank 4 with the axes (N, h, w, C)."""
        if self.is_image:
            return self
        if self.is_constant:
            expanded = self.tensor.reshape((1,) * (4 - self.rank) + self.tensor.shape)
            return replace(self, tensor=expanded.transpose(_TO_IMAGE), is_image=True)
        return replace(self, tensor=keras.layers.Permute((2, 3, 1))(self.tensor), is_image=True)

    def as_onnx(self) -> "Value":
        """Return a tensor with the axes of ONNX."""
        if not self.is_image:
            return self
        if self.is_constant:
            return replace(self, tensor=self.tensor.transpose(_FROM_IMAGE), is_image=False)
        return replace(self, tensor=keras.layers.Permute((3, 1, 2))(self.tensor), is_image=False)

    def like(self, tensor: Any, *, nonnegative: bool = False) -> "Value":
        """Return a value with the same order of axes."""
        return Value(tensor, self.is_image, nonnegative)
