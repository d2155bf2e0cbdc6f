"""Operators that work on each element: activations and arithmetic."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from seewhy_worker.conversion.graph.nodes import Node
from seewhy_worker.conversion.graph.values import Value
from seewhy_worker.conversion.operators.registry import constant, operator, with_weights

_ACTIVATIONS = {
    "Celu": "celu",
    "HardSwish": "hard_silu",
    "Mish": "mish",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Swish": "silu",
    "Tanh": "tanh",
}
_UNARY: dict[str, Callable[[Any], Any]] = {
    "Abs": keras.ops.abs,
    "Erf": keras.ops.erf,
    "Exp": keras.ops.exp,
    "Log": keras.ops.log,
    "Neg": keras.ops.negative,
    "Reciprocal": keras.ops.reciprocal,
    "Sqrt": keras.ops.sqrt,
}
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": keras.ops.add,
    "Div": keras.ops.divide,
    "Max": keras.ops.maximum,
    "Min": keras.ops.minimum,
    "Mul": keras.ops.multiply,
    "Pow": keras.ops.power,
    "Sub": keras.ops.subtract,
}
_LAYERS = {"Add": keras.layers.Add, "Mul": keras.layers.Multiply, "Sub": keras.layers.Subtract}


@operator("Relu")
def relu(node: Node, value: Value) -> Value:
    """Convert to `ReLU`."""
    return value.like(keras.layers.ReLU(name=node.name)(value.tensor), nonnegative=True)


@operator("Clip")
def clip(node: Node, value: Value, low: Value | None = None, high: Value | None = None) -> Value:
    """Convert to `ReLU` where the lower bound is 0. Bounds are attributes before version 11."""
    lower = node.attributes.get("min", -np.inf) if low is None else constant(node, low, "bounds")
    upper = node.attributes.get("max", np.inf) if high is None else constant(node, high, "bounds")
    lower, upper = float(lower), float(upper)
    if lower == 0:
        highest = upper if upper < np.finfo(np.float32).max else None
        layer = keras.layers.ReLU(max_value=highest, name=node.name)
        return value.like(layer(value.tensor), nonnegative=True)
    return value.like(keras.ops.clip(value.tensor, lower, upper), nonnegative=lower > 0)


@operator(*_ACTIVATIONS)
def activation(node: Node, value: Value) -> Value:
    """Convert to `Activation`."""
    name = _ACTIVATIONS[node.operator]
    layer = keras.layers.Activation(name, name=node.name)
    return value.like(layer(value.tensor), nonnegative=name in {"sigmoid", "softplus"})


@operator("Gelu")
def gelu(node: Node, value: Value) -> Value:
    """Convert to an exact or an approximate GELU."""
    approximate = node.attributes.get("approximate", "none") == "tanh"
    return value.like(keras.ops.gelu(value.tensor, approximate=approximate))


@operator("HardSigmoid")
def hard_sigmoid(node: Node, value: Value) -> Value:
    """Convert to `Activation` for the slope 1/6, which Keras and PyTorch use."""
    alpha, beta = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    if np.isclose(alpha, 1 / 6, rtol=1e-6) and beta == 0.5:
        layer = keras.layers.Activation("hard_sigmoid", name=node.name)
        return value.like(layer(value.tensor), nonnegative=True)
    return value.like(keras.ops.clip(value.tensor * alpha + beta, 0.0, 1.0), nonnegative=True)


@operator("Elu")
def elu(node: Node, value: Value) -> Value:
    """Convert to `ELU`."""
    layer = keras.layers.ELU(node.attributes.get("alpha", 1.0), name=node.name)
    return value.like(layer(value.tensor))


@operator("LeakyRelu")
def leaky_relu(node: Node, value: Value) -> Value:
    """Convert to `LeakyReLU`."""
    layer = keras.layers.LeakyReLU(node.attributes.get("alpha", 0.01), name=node.name)
    return value.like(layer(value.tensor))


@operator("PRelu")
def prelu(node: Node, value: Value, slope: Value) -> Value:
    """Convert to `PReLU` with one slope per channel, or one in all."""
    slopes = constant(node, slope, "slope").reshape(-1)
    image = value.as_image()
    channels = image.shape[1]
    if image.rank != 4 or slopes.size not in {1, channels}:
        raise node.refuse("has more than one slope per channel, which is not supported.")
    layer = keras.layers.PReLU(shared_axes=[1, 2], name=node.name)
    weights = np.broadcast_to(slopes, channels).reshape(1, 1, channels)
    return image.like(with_weights(layer, image.tensor, [weights]))


@operator("Softmax", "LogSoftmax")
def softmax(node: Node, value: Value) -> Value:
    """Convert to `Activation` along the last axis, else to `Softmax`."""
    axis = value.axis(node.attributes.get("axis", -1))
    if axis == value.rank - 1:
        name = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[node.operator]
        return value.like(keras.layers.Activation(name, name=node.name)(value.tensor))
    function = {"Softmax": keras.ops.softmax, "LogSoftmax": keras.ops.log_softmax}
    return value.like(function[node.operator](value.tensor, axis=axis))


@operator(*_UNARY)
def unary(node: Node, value: Value) -> Value:
    """Convert to an operation of Keras."""
    return value.like(_UNARY[node.operator](value.tensor))


@operator(*_BINARY)
def binary(node: Node, *values: Value) -> Value:
    """Convert arithmetic of two values with broadcasting; `Max` and `Min` take more."""
    if any(value.is_image for value in values) and _fit_into_images(values):
        values = tuple(value.as_image() for value in values)
    else:
        values = tuple(value.as_onnx() for value in values)
    nonnegative = node.operator in {"Add", "Mul"} and all(value.nonnegative for value in values)
    first, *others = (_as_operand(value) for value in values)
    layer = _LAYERS.get(node.operator)
    if layer and not any(value.is_constant for value in values) and _same_rank(values):
        result = layer(name=node.name)([first, *others])
    else:
        result = first
        for other in others:
            result = _BINARY[node.operator](result, other)
    return Value(result, values[0].is_image, nonnegative)


def _fit_into_images(values: tuple[Value, ...]) -> bool:
    """Return whether the axes of each value are the last axes of (N, C, h, w)."""
    return all(value.rank == 4 or (value.is_constant and value.rank < 4) for value in values)


def _same_rank(values: tuple[Value, ...]) -> bool:
    return len({value.rank for value in values}) == 1


def _as_operand(value: Value) -> Any:
    """Return a tensor, or a constant in the form that a model file stores best."""
    if not value.is_constant:
        return value.tensor
    array = value.tensor.astype(np.float32)
    return float(array.reshape(())) if array.size == 1 else array
