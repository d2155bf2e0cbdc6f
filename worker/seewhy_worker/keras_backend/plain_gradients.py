"""Gradients of plain operations only, which other engines have too.

TensorFlow's gradients use operations of their own, such as `ReluGrad`, and find out at run time
which axes were broadcast. These functions compute equal values from comparisons, slices and sums.
Every axis but the first must have a fixed size.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf


class NoPlainGradient(Exception):
    """There is no gradient of plain operations; the message names what it is missing for."""


_Gradient = Callable[[Any, Any], Any]


def _relu(operation: Any, upstream: Any) -> Any:
    return tf.where(operation.outputs[0] > 0, upstream, 0.0)


def _relu6(operation: Any, upstream: Any) -> Any:
    value = operation.outputs[0]
    return tf.where((value > 0) & (value < 6), upstream, 0.0)


def _leaky_relu(operation: Any, upstream: Any) -> Any:
    slope = operation.get_attr("alpha")
    return tf.where(operation.inputs[0] > 0, upstream, slope * upstream)


def _elu(operation: Any, upstream: Any) -> Any:
    value = operation.outputs[0]
    return tf.where(value < 0, (value + 1) * upstream, upstream)


def _softplus(operation: Any, upstream: Any) -> Any:
    return upstream * tf.sigmoid(operation.inputs[0])


def _sigmoid(operation: Any, upstream: Any) -> Any:
    value = operation.outputs[0]
    return upstream * value * (1 - value)


def _tanh(operation: Any, upstream: Any) -> Any:
    value = operation.outputs[0]
    return upstream * (1 - value * value)


def _max_pool(operation: Any, upstream: Any) -> Any:
    """Pass the gradient of each window to its first maximum in row order, as TensorFlow does."""
    pixels, pooled = operation.inputs[0], operation.outputs[0]
    if operation.get_attr("data_format") != b"NHWC":
        raise NoPlainGradient("max pooling with channels first")
    _, *size, _ = operation.get_attr("ksize")
    _, *strides, _ = operation.get_attr("strides")
    is_same = operation.get_attr("padding") == b"SAME"
    padding = [
        _padding(side, outputs, window, stride) if is_same else (0, 0)
        for side, outputs, window, stride in zip(
            pixels.shape[1:3], pooled.shape[1:3], size, strides, strict=True
        )
    ]
    margins = [(0, 0), *padding, (0, 0)]
    padded = tf.pad(pixels, margins, constant_values=pixels.dtype.min)
    rows, columns = pooled.shape[1:3]
    taken = tf.zeros_like(pooled, tf.bool)
    canvas = (rows * strides[0] + size[0] - 1, columns * strides[1] + size[1] - 1)
    total = 0.0
    for top in range(size[0]):
        for left in range(size[1]):
            part = padded[
                :,
                top : top + strides[0] * (rows - 1) + 1 : strides[0],
                left : left + strides[1] * (columns - 1) + 1 : strides[1],
            ]
            is_first = tf.stop_gradient((part == pooled) & ~taken)
            taken |= is_first
            spread = _spread(tf.where(is_first, upstream, 0.0), strides)
            total += _place(spread, (top, left), canvas)
    (above, _), (before, _) = padding
    return tf.slice(total, [0, above, before, 0], [-1, *pixels.shape[1:]])


def _padding(side: int, outputs: int, window: int, stride: int) -> tuple[int, int]:
    total = max((outputs - 1) * stride + window - side, 0)
    return total // 2, total - total // 2


def _spread(values: Any, strides: list[int]) -> Any:
    """Put zeros after each value: (N, h, w, C) → (N, h·s, w·t, C)."""
    _, height, width, channels = values.shape
    cells = tf.reshape(values, (-1, height, 1, width, 1, channels))
    after = [(0, 0), (0, 0), (0, strides[0] - 1), (0, 0), (0, strides[1] - 1), (0, 0)]
    return tf.reshape(tf.pad(cells, after), (-1, height * strides[0], width * strides[1], channels))


def _place(values: Any, corner: tuple[int, int], size: tuple[int, int]) -> Any:
    """Place values with their first cell at `corner` of zeros of `size`."""
    after = [side - at - own for side, at, own in zip(size, corner, values.shape[1:3], strict=True)]
    return tf.pad(values, [(0, 0), *zip(corner, after, strict=True), (0, 0)])


def _slice(operation: Any, upstream: Any) -> tuple[Any, None, None]:
    begin = tf.get_static_value(operation.inputs[1])
    margins = [
        (0, 0) if before == 0 and size == full else (before, full - before - size)
        for before, size, full in zip(begin, upstream.shape, operation.inputs[0].shape, strict=True)
    ]
    return tf.pad(upstream, margins), None, None


def _sum(operation: Any, upstream: Any) -> tuple[Any, None]:
    values, axes = operation.inputs[0], tf.get_static_value(operation.inputs[1])
    if not operation.get_attr("keep_dims"):
        rank = values.shape.rank
        for axis in sorted(int(axis) % rank for axis in np.atleast_1d(axes)):
            upstream = tf.expand_dims(upstream, axis)
    return upstream * tf.ones_like(values), None


def _mean(operation: Any, upstream: Any) -> tuple[Any, None]:
    sizes, reduced = operation.inputs[0].shape, operation.inputs[1]
    count = np.prod([sizes[int(axis)] for axis in np.atleast_1d(tf.get_static_value(reduced))])
    return _sum(operation, upstream / float(count))


def _select(operation: Any, upstream: Any) -> tuple[None, Any, Any]:
    condition, *choices = operation.inputs
    return None, *_reduce_like(choices, _chosen(condition, upstream))


def _add(operation: Any, upstream: Any) -> Any:
    return _reduce_like(operation.inputs, (upstream, upstream))


def _subtract(operation: Any, upstream: Any) -> Any:
    return _reduce_like(operation.inputs, (upstream, -upstream))


def _multiply(operation: Any, upstream: Any) -> Any:
    a, b = operation.inputs
    return _reduce_like(operation.inputs, (upstream * b, upstream * a))


def _divide(operation: Any, upstream: Any) -> Any:
    b = operation.inputs[1]
    for_a = upstream / b
    return _reduce_like(operation.inputs, (for_a, -for_a * operation.outputs[0]))


def _maximum(operation: Any, upstream: Any) -> Any:
    a, b = operation.inputs
    return _reduce_like(operation.inputs, _chosen(a >= b, upstream))


def _minimum(operation: Any, upstream: Any) -> Any:
    a, b = operation.inputs
    return _reduce_like(operation.inputs, _chosen(a <= b, upstream))


def _squared_difference(operation: Any, upstream: Any) -> Any:
    a, b = operation.inputs
    for_a = 2 * upstream * (a - b)
    return _reduce_like(operation.inputs, (for_a, -for_a))


def _chosen(is_first: Any, upstream: Any) -> tuple[Any, Any]:
    return tf.where(is_first, upstream, 0.0), tf.where(is_first, 0.0, upstream)


def _matmul(operation: Any, upstream: Any) -> tuple[Any, Any]:
    """Compute the gradients of `a @ b`, with a square b transposed by an operation of its own.

    OpenVINO 2026.4 keeps one copy of a square matrix that is multiplied both as it is and
    transposed, and gives wrong numbers in silence.
    """
    a, b = operation.inputs
    if operation.get_attr("transpose_a"):
        raise NoPlainGradient("a matrix product with its first factor transposed")
    if operation.get_attr("transpose_b"):
        return tf.matmul(upstream, b), tf.matmul(upstream, a, transpose_a=True)
    if b.shape[0] == b.shape[1]:
        for_a = tf.matmul(upstream, tf.transpose(b))
    else:
        for_a = tf.matmul(upstream, b, transpose_b=True)
    return for_a, tf.matmul(a, upstream, transpose_a=True)


def _reduce_like(inputs: Any, gradients: tuple[Any, Any]) -> tuple[Any, Any]:
    """Sum each gradient over the axes along which its input was broadcast."""
    a, b = gradients
    return _reduce_to(inputs[0], a), _reduce_to(inputs[1], b)


def _reduce_to(tensor: Any, gradient: Any) -> Any:
    if tensor.shape.rank is None or gradient.shape.rank is None:
        raise NoPlainGradient("a tensor of unknown rank")
    added = gradient.shape.rank - tensor.shape.rank
    axes = list(range(added))
    axes += [
        added + axis
        for axis, (size, full) in enumerate(zip(tensor.shape, gradient.shape[added:], strict=True))
        if size == 1 and full != 1
    ]
    if not axes:
        return gradient
    reduced = tf.reduce_sum(gradient, axes, keepdims=True)
    return tf.squeeze(reduced, list(range(added))) if added else reduced


_GRADIENTS: dict[str, _Gradient] = {
    "Relu": _relu,
    "Relu6": _relu6,
    "LeakyRelu": _leaky_relu,
    "Elu": _elu,
    "Softplus": _softplus,
    "Sigmoid": _sigmoid,
    "Tanh": _tanh,
    "MaxPool": _max_pool,
    "Slice": _slice,
    "Sum": _sum,
    "Mean": _mean,
    "SelectV2": _select,
    "Add": _add,
    "AddV2": _add,
    "Sub": _subtract,
    "Mul": _multiply,
    "RealDiv": _divide,
    "MatMul": _matmul,
    "Maximum": _maximum,
    "Minimum": _minimum,
    "SquaredDifference": _squared_difference,
}

_NAMES = {operation: f"SeewhyPlain{operation}" for operation in _GRADIENTS}


@contextlib.contextmanager
def plain_gradients() -> Iterator[None]:
    """Use these gradients for operations that are created inside the `with` block."""
    with tf.compat.v1.get_default_graph().gradient_override_map(_NAMES):
        yield


for _operation, _gradient in _GRADIENTS.items():
    tf.RegisterGradient(_NAMES[_operation])(_gradient)
