"""The inputs of a model: one image, and numbers such as an age that come with it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from seewhy.errors import UnsupportedModel

CHANGING_VARIABLE = "changing_input"
"""The name of variables that are no weights: their values change between runs of a graph."""
_IMAGE_RANK = 4


def find_image_input(model: keras.Model) -> Any:
    """Return the symbolic input of the image, (N, H, W, C) or (N, C, H, W).

    Raises `UnsupportedModel` unless exactly one input is an image.
    """
    images = [tensor for tensor in model.inputs if len(tensor.shape) == _IMAGE_RANK]
    if len(images) != 1:
        shapes = ", ".join(f"{tensor.name} {tuple(tensor.shape)}" for tensor in model.inputs)
        raise UnsupportedModel(
            f"the model {model.name!r} has {len(images)} inputs of the rank of images (its inputs: "
            f"{shapes}): build it with one image as input; the others must be numbers or vectors."
        )
    return images[0]


def other_inputs(model: keras.Model) -> dict[str, Any]:
    """Return the symbolic inputs beside the image by name, (N,) or (N, length).

    Raises `UnsupportedModel` for one that is no number or vector of a fixed length.
    """
    image = find_image_input(model)
    others = {tensor.name: tensor for tensor in model.inputs if tensor is not image}
    for name, tensor in others.items():
        if len(tensor.shape) > 2 or None in tensor.shape[1:]:
            raise UnsupportedModel(
                f"the input {name!r} of the model {model.name!r} has the shape "
                f"{tuple(tensor.shape)}: beside the image, inputs must be numbers or vectors of a "
                "fixed length."
            )
    return others


class OtherInput:
    """An operation that outputs the current value of an input for each image of a batch.

    In the flat network it stands for the input, so that the image is the only input.
    """

    def __init__(self, tensor: Any) -> None:
        """Stand for the symbolic input `tensor`, with zeros in graphs compiled before `set`."""
        self.name = tensor.name
        self.length = math.prod(tensor.shape[1:])
        self._zeros = np.zeros(tensor.shape[1:], tensor.dtype)
        self._variable: keras.Variable | None = None

    def set(self, values: Sequence[float]) -> None:
        """Use these `length` values from now on, also in graphs compiled since the first call."""
        array = np.reshape(values, self._zeros.shape).astype(self._zeros.dtype)
        if self._variable is None:
            self._variable = keras.Variable(
                array, dtype=self._zeros.dtype, trainable=False, name=CHANGING_VARIABLE
            )
        self._variable.assign(array)

    def __call__(self, image: Any) -> Any:
        """Repeat the values for each image of (N, …): (N,) or (N, length)."""
        values = self._zeros if self._variable is None else self._variable.value
        shape = (keras.ops.shape(image)[0], *self._zeros.shape)
        return keras.ops.broadcast_to(values, shape)

    def compute_output_spec(self, image: Any) -> Any:
        """Return the shape and type of the output."""
        return keras.KerasTensor((image.shape[0], *self._zeros.shape), dtype=self._zeros.dtype.name)


def check_values(others: Mapping[str, OtherInput], values: Mapping[str, Sequence[float]]) -> None:
    """Require values of the right length for each input, and for no other.

    Raises `UnsupportedModel`.
    """
    if missing := [name for name in others if name not in values]:
        raise UnsupportedModel(
            f"the model has inputs without a value, {', '.join(missing)}: give each one in the "
            f"catalog, such as inputs = {{ {missing[0]} = 0.0 }}."
        )
    if unknown := [name for name in values if name not in others]:
        known = ", ".join(others) or "none beside the image"
        raise UnsupportedModel(
            f"the model has no input {unknown[0]!r}; its other inputs are: {known}. Correct "
            "`inputs` in the catalog."
        )
    for name, other in others.items():
        if len(values[name]) != other.length:
            raise UnsupportedModel(
                f"the input {name!r} takes {other.length} numbers, but `inputs` in the catalog has "
                f"{len(values[name])}."
            )
