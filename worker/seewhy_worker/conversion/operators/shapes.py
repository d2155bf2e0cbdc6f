"""Operators that move, join, cut and reduce axes."""

import math
from typing import Any

import keras
import numpy as np

from seewhy_worker.conversion.graph.nodes import Node
from seewhy_worker.conversion.graph.values import BATCH, Value
from seewhy_worker.conversion.operators.registry import constant, operator

_TO_IMAGE, _FROM_IMAGE = (0, 2, 3, 1), (0, 3, 1, 2)


@operator("Identity", "Dropout", "Cast")
def identity(_node: Node, value: Value, *_: Value) -> Value:
    """Keep the value: inference drops nothing, and all numbers are float32."""
    return value


@operator("Flatten")
def flatten(node: Node, value: Value) -> Value:
    """Convert to `Flatten` for the batch axis."""
    if node.attributes.get("axis", 1) != 1:
        raise node.refuse("joins the batch axis with others, which is not supported.")
    return Value(_flat(node, value), nonnegative=value.nonnegative)


def _flat(node: Node, value: Value) -> Any:
    is_vector = value.is_image and value.shape[2:] == (1, 1)
    tensor = value.tensor if is_vector else value.as_onnx().tensor
    return keras.layers.Flatten(name=node.name)(tensor)


@operator("Reshape")
def reshape(node: Node, value: Value, shape: Value) -> Value:
    """Convert to `Reshape`; the batch axis stays the first."""
    target = [int(length) for length in constant(node, shape, "shape")]
    if not node.attributes.get("allowzero"):
        target = [
            value.shape[axis] if length == 0 else length for axis, length in enumerate(target)
        ]
    return _reshape(node, value, target)


def _reshape(node: Node, value: Value, target: list[int]) -> Value:
    # A file that was exported for one image says 1 where others say -1 or compute the batch.
    if not target or target[0] not in {-1, 1, BATCH}:
        raise node.refuse("joins the batch axis with others, which is not supported.")
    rest = target[1:]
    size = math.prod(value.shape[1:])
    known = math.prod(length for length in rest if length != -1)
    if size % known or (-1 not in rest and size != known):
        raise node.refuse("joins the batch axis with others, which is not supported.")
    if len(rest) == 1:
        return Value(_flat(node, value), nonnegative=value.nonnegative)
    tensor = keras.layers.Reshape(rest, name=node.name)(value.as_onnx().tensor)
    return Value(tensor, nonnegative=value.nonnegative)


@operator("Transpose")
def transpose(node: Node, value: Value) -> Value:
    """Convert to `Permute`, or to nothing where only the order of image axes changes."""
    order = tuple(node.attributes.get("perm", tuple(reversed(range(value.rank)))))
    if order[0] != 0:
        raise node.refuse("moves the batch axis, which is not supported.")
    if value.is_image and order == _TO_IMAGE:
        return Value(value.tensor, is_image=False, nonnegative=value.nonnegative)
    if not value.is_image and order == _FROM_IMAGE:
        return Value(value.tensor, is_image=True, nonnegative=value.nonnegative)
    tensor = keras.layers.Permute(order[1:], name=node.name)(value.as_onnx().tensor)
    return Value(tensor, nonnegative=value.nonnegative)


@operator("Squeeze", "Unsqueeze")
def change_rank(node: Node, value: Value, axes: Value | None = None) -> Value:
    """Convert to `Reshape`. The axes are an attribute before version 13."""
    chosen: Any = node.attributes.get("axes") if axes is None else constant(node, axes, "axes")
    lengths = list(value.shape)
    if node.operator == "Unsqueeze":
        for axis in sorted(int(axis) % (value.rank + len(chosen)) for axis in chosen):
            lengths.insert(axis, 1)
        return _reshape(node, value, lengths)
    if chosen is None:
        chosen = [axis for axis, length in enumerate(lengths) if length == 1]
    removed = {int(axis) % value.rank for axis in chosen}
    return _reshape(node, value, [n for axis, n in enumerate(lengths) if axis not in removed])


@operator("Concat")
def concatenate(node: Node, *values: Value) -> Value:
    """Convert to `Concatenate`."""
    if any(value.is_constant for value in values):
        raise node.refuse("appends a constant to features, which is not supported.")
    if any(value.is_image for value in values):
        values = tuple(value.as_image() for value in values)
    axis = values[0].axis(node.attributes["axis"])
    tensor = keras.layers.Concatenate(axis, name=node.name)([value.tensor for value in values])
    return values[0].like(tensor, nonnegative=all(value.nonnegative for value in values))


@operator("Split")
def split(node: Node, value: Value, lengths: Value | None = None) -> list[Value]:
    """Convert to slices along one axis."""
    axis = value.axis(node.attributes.get("axis", 0))
    sizes = node.attributes.get("split") if lengths is None else constant(node, lengths, "lengths")
    if sizes is None:
        count = node.attributes.get("num_outputs", len(node.outputs))
        step = -(-value.tensor.shape[axis] // count)
        ends = np.minimum(np.arange(1, count + 1) * step, value.tensor.shape[axis])
    else:
        ends = np.cumsum(sizes)
    starts = [0, *(int(end) for end in ends[:-1])]
    return [
        value.like(_cut(value.tensor, axis, slice(start, int(end))), nonnegative=value.nonnegative)
        for start, end in zip(starts, ends, strict=True)
    ]


@operator("Slice")
def cut(node: Node, value: Value, *limits: Value) -> Value:
    """Convert to slices. The limits are attributes before version 10."""
    attributes = node.attributes
    if limits:
        starts, ends, *rest = (constant(node, limit, "limits").tolist() for limit in limits)
    else:
        starts, ends = attributes["starts"], attributes["ends"]
        rest = [attributes["axes"]] if "axes" in attributes else []
    axes = rest[0] if rest else range(len(starts))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)
    tensor = value.tensor
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if axis % value.rank == 0 or step < 1:
            raise node.refuse("cuts the batch axis or reverses an axis, which is not supported.")
        tensor = _cut(tensor, value.axis(axis), slice(start, end, step))
    return value.like(tensor, nonnegative=value.nonnegative)


def _cut(tensor: Any, axis: int, part: slice) -> Any:
    length = tensor.shape[axis]
    return tensor[(slice(None),) * axis + (slice(*part.indices(length)),)]


@operator("Gather")
def gather(node: Node, value: Value, indices: Value) -> Value:
    """Convert a choice of one index along an axis."""
    chosen = constant(node, indices, "indices")
    value = value.as_onnx()
    axis = node.attributes.get("axis", 0) % value.rank
    if axis == 0 or chosen.ndim > 1:
        raise node.refuse("chooses along the batch axis, which is not supported.")
    tensor = keras.ops.take(value.tensor, chosen.tolist(), axis=axis)
    return Value(tensor, nonnegative=value.nonnegative)


@operator("Pad")
def pad(node: Node, value: Value, *options: Value | None) -> Value:
    """Convert padding with a constant. The lengths are an attribute before version 11."""
    if node.attributes.get("mode", "constant") != "constant":
        raise node.refuse("repeats or mirrors the image at its edges, which is not supported.")
    lengths = constant(node, options[0], "lengths").tolist() if options else node.attributes["pads"]
    fill = options[1] if len(options) > 1 else None
    filler = node.attributes.get("value", 0.0) if fill is None else constant(node, fill, "filler")
    margins = [(0, 0)] * value.rank
    for axis in range(value.rank):
        margins[value.axis(axis)] = (int(lengths[axis]), int(lengths[axis + value.rank]))
    number = float(np.reshape(filler, ()))
    if value.is_image and number == 0 and margins[0] == margins[3] == (0, 0):
        return value.like(
            keras.layers.ZeroPadding2D(tuple(margins[1:3]), name=node.name)(value.tensor),
            nonnegative=value.nonnegative,
        )
    return value.like(keras.ops.pad(value.tensor, margins, constant_values=number))


_REDUCTIONS = {
    "ReduceMax": keras.ops.max,
    "ReduceMean": keras.ops.mean,
    "ReduceMin": keras.ops.min,
    "ReduceSum": keras.ops.sum,
}


@operator(*_REDUCTIONS)
def reduce(node: Node, value: Value, axes: Value | None = None) -> Value:
    """Convert to a global pooling where it is one, else to an operation."""
    chosen = node.attributes.get("axes") if axes is None else constant(node, axes, "axes")
    if chosen is None or any(int(axis) % value.rank == 0 for axis in chosen):
        raise node.refuse("reduces the batch axis, which is not supported.")
    places = tuple(sorted(value.axis(int(axis)) for axis in chosen))
    keeps = bool(node.attributes.get("keepdims", 1))
    if (node.operator, value.is_image, places) == ("ReduceMean", True, (1, 2)):
        pooling = keras.layers.GlobalAveragePooling2D(keepdims=keeps, name=node.name)
        return Value(pooling(value.tensor), value.is_image and keeps, value.nonnegative)
    if not keeps:
        value = value.as_onnx()
        places = tuple(sorted(int(axis) % value.rank for axis in chosen))
    tensor = _REDUCTIONS[node.operator](value.tensor, axis=places, keepdims=keeps)
    return value.like(tensor, nonnegative=value.nonnegative)
