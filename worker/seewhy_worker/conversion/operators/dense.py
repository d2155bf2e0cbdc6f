"""Matrix products and normalizations."""

from typing import Any

import keras
import numpy as np

from seewhy_worker.conversion.graph.nodes import Node
from seewhy_worker.conversion.graph.values import Value
from seewhy_worker.conversion.operators.registry import constant, operator, with_weights


@operator("Gemm")
def gemm(node: Node, value: Value, matrix: Value, bias: Value | None = None) -> Value:
    """Convert `alpha` · A·B + `beta` · C with constant B and C to `Dense`."""
    attributes = node.attributes
    if attributes.get("transA"):
        raise node.refuse("transposes its input, which is not supported.")
    weights = constant(node, matrix, "matrix")
    weights = (weights.T if attributes.get("transB") else weights) * attributes.get("alpha", 1.0)
    if bias is None:
        return _dense(node, value, weights, None)
    biases = constant(node, bias, "bias") * attributes.get("beta", 1.0)
    return _dense(node, value, weights, np.broadcast_to(biases, (1, weights.shape[1]))[0])


@operator("MatMul")
def matmul(node: Node, first: Value, second: Value) -> Value:
    """Convert to `Dense` for a constant matrix, else to a product of two tensors."""
    if second.is_constant and second.rank == 2 and not first.is_constant:
        return _dense(node, first, second.tensor, None)
    if first.is_constant or second.is_constant:
        raise node.refuse("has a constant that is not a matrix on its right side.")
    return Value(keras.ops.matmul(first.as_onnx().tensor, second.as_onnx().tensor))


def _dense(node: Node, value: Value, weights: Any, biases: Any) -> Value:
    layer = keras.layers.Dense(weights.shape[1], use_bias=biases is not None, name=node.name)
    arrays = [weights] if biases is None else [weights, biases]
    return Value(with_weights(layer, value.as_onnx().tensor, arrays))


@operator("BatchNormalization")
def batch_normalization(
    node: Node, value: Value, scale: Value, bias: Value, mean: Value, variance: Value
) -> Value:
    """Convert to `BatchNormalization`."""
    layer = keras.layers.BatchNormalization(
        axis=value.axis(1), epsilon=node.attributes.get("epsilon", 1e-5), name=node.name
    )
    parameters = (scale, bias, mean, variance)
    weights = [constant(node, each, "parameters") for each in parameters]
    return value.like(with_weights(layer, value.tensor, weights))


@operator("LayerNormalization")
def layer_normalization(node: Node, value: Value, scale: Value, bias: Value | None = None) -> Value:
    """Convert to `LayerNormalization` over the last axis."""
    value = value.as_onnx()
    axis = node.attributes.get("axis", -1)
    if axis % value.rank != value.rank - 1:
        raise node.refuse("normalizes more than its last axis, which is not supported.")
    layer = keras.layers.LayerNormalization(
        epsilon=node.attributes.get("epsilon", 1e-5), center=bias is not None, name=node.name
    )
    weights = [constant(node, each, "parameters") for each in (scale, bias) if each is not None]
    return Value(with_weights(layer, value.tensor, weights))
