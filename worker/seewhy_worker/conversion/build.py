"""Build a Keras model from the graph of an ONNX file."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from seewhy.errors import UnsupportedModel
from seewhy.quoting import quote
from seewhy_worker.conversion.graph.nodes import Node, OnnxGraph
from seewhy_worker.conversion.graph.values import Value
from seewhy_worker.conversion.operators import dense, elements, shapes, windows  # noqa: F401
from seewhy_worker.conversion.operators.registry import OPERATORS

_CHANNELS = frozenset({1, 3})


def build_model(graph: OnnxGraph, *, size: tuple[int, int] | None = None) -> keras.Model:
    """Build a model of images (N, height, width, channels), whatever the order in the file.

    `size` is the (height, width) in pixels for a file that leaves them open. Features keep the
    order (N, h, w, C). Raises `UnsupportedModel` with what cannot be converted.
    """
    image, is_image = _input(graph, size)
    nodes = _needed(graph)
    _check_operators(nodes)
    values = {name: Value(array) for name, array in graph.constants.items()}
    values[graph.input] = Value(image, is_image)
    for node in nodes:
        inputs = [values[name] if name else None for name in node.inputs]
        found = _compute(node, inputs, opset=graph.opset)
        # A file may leave out the last outputs of a node.
        values |= dict(zip(node.outputs, found, strict=False))
    outputs = [values[name].as_onnx().tensor for name in graph.outputs]
    return keras.Model(image, outputs if len(outputs) > 1 else outputs[0])


def _input(graph: OnnxGraph, size: tuple[int, int] | None) -> tuple[Any, bool]:
    """Return the input of the model, and whether the file puts channels first."""
    if len(graph.shape) == 4:
        _, *rest = graph.shape
        channels_first = rest[0] in _CHANNELS
        channels = rest[0] if channels_first else rest[2]
        lengths = rest[1:] if channels_first else rest[:2]
        height, width = (
            length or default for length, default in zip(lengths, size or (None, None), strict=True)
        )
        if channels in _CHANNELS and height and width:
            return keras.Input((height, width, channels), name="image"), channels_first
    raise UnsupportedModel(
        f"the input has the shape {graph.shape}: an image of 1 or 3 channels and a fixed size is "
        "needed. Give the size with `--size` if the file leaves it open."
    )


def _needed(graph: OnnxGraph) -> Sequence[Node]:
    """Return the nodes that the outputs depend on, in execution order."""
    wanted = set(graph.outputs)
    needed = []
    for node in reversed(graph.nodes):
        if wanted & set(node.outputs):
            wanted |= set(node.inputs)
            needed.append(node)
    return needed[::-1]


def _check_operators(nodes: Sequence[Node]) -> None:
    """Raise `UnsupportedModel` with all operators that are missing, unless they are constants."""
    missing = sorted(
        {node.operator for node in nodes if node.operator not in OPERATORS and not _is_folded(node)}
    )
    if missing:
        names = ", ".join(quote(name) for name in missing)
        raise UnsupportedModel(f"these operators of ONNX cannot be converted: {names}.")


def _is_folded(node: Node) -> bool:
    return node.operator in {"Constant", "ConstantOfShape", "Shape", "Range", "Equal", "Where"}


def _compute(node: Node, inputs: Sequence[Value | None], *, opset: int) -> list[Value]:
    given = [value for value in inputs if value is not None]
    if node.operator == "Shape" and not given[0].is_constant:
        start, end = node.attributes.get("start", 0), node.attributes.get("end")
        return [Value(np.array(given[0].shape[start:end], np.int64))]
    if all(value.is_constant for value in given):
        arrays = [value.tensor if value is not None else None for value in inputs]
        return [Value(array) for array in _evaluate(node, arrays, opset=opset)]
    if node.operator not in OPERATORS:
        raise node.refuse("depends on the image, which is not supported.")
    found = OPERATORS[node.operator](node, *inputs)
    return found if isinstance(found, list) else [found]


def _evaluate(
    node: Node, inputs: Sequence[NDArray[Any] | None], *, opset: int
) -> list[NDArray[Any]]:
    """Compute a node of constants, by the reference implementation of the standard."""
    feeds = {
        name: array for name, array in zip(node.inputs, inputs, strict=True) if array is not None
    }
    graph = onnx.helper.make_graph(
        [node.proto],
        "constants",
        [
            onnx.helper.make_tensor_value_info(
                name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in feeds.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in node.outputs if name],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    return [np.asarray(array) for array in ReferenceEvaluator(model).run(None, feeds)]
