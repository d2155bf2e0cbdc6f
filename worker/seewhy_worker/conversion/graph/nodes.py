"""The graph of an ONNX file: its nodes, constants, inputs and outputs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from seewhy.errors import UnsupportedModel
from seewhy.quoting import quote

DOMAINS = frozenset({"", "ai.onnx"})
"""The domains of standard operators."""
MIN_OPSET = 9


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of the file."""

    operator: str
    """The type in the ONNX standard, such as `Conv`."""
    name: str
    """A name for a layer: the node's own without characters that Keras does not allow."""
    inputs: tuple[str, ...]
    """Names of values; empty for an optional input that is left out."""
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    proto: Any
    """The `NodeProto`."""

    def refuse(self, what: str) -> UnsupportedModel:
        """Return the error that says what in this node cannot be converted."""
        return UnsupportedModel(f"the node {quote(self.name)} ({self.operator}) {what}")


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A network with one image as its input."""

    input: str
    shape: tuple[int | None, ...]
    """Of the input, with the batch axis; None where the file leaves a length open."""
    nodes: tuple[Node, ...]
    """In execution order."""
    constants: Mapping[str, NDArray[Any]]
    outputs: tuple[str, ...]
    opset: int


def read_graph(path: Path) -> OnnxGraph:
    """Read an ONNX file. Raises `UnsupportedModel` with the reason."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # a broken file makes protobuf raise almost anything
        raise UnsupportedModel(f"{path.name} is not a readable ONNX file") from error
    graph = model.graph
    opset = max((each.version for each in model.opset_import if each.domain in DOMAINS), default=0)
    if opset < MIN_OPSET:
        raise UnsupportedModel(
            f"{path.name} uses operator set {opset}: export the model again with operator set "
            f"{MIN_OPSET} or later."
        )
    constants = {entry.name: _to_array(entry, path) for entry in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(quote(entry.name) for entry in inputs) or "none"
        raise UnsupportedModel(f"{path.name} has {len(inputs)} inputs ({names}): one is supported.")
    shape = tuple(
        axis.dim_value if axis.HasField("dim_value") and axis.dim_value > 0 else None
        for axis in inputs[0].type.tensor_type.shape.dim
    )
    return OnnxGraph(
        input=inputs[0].name,
        shape=shape,
        nodes=_read_nodes(graph, path),
        constants=constants,
        outputs=tuple(entry.name for entry in graph.output),
        opset=opset,
    )


def _to_array(tensor: Any, path: Path) -> NDArray[Any]:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise UnsupportedModel(
            f"{path.name} keeps its weights in other files: export it as one file, for example "
            "with `external_data=False`."
        )
    return np.asarray(numpy_helper.to_array(tensor))


def _read_nodes(graph: Any, path: Path) -> tuple[Node, ...]:
    names: set[str] = set()
    nodes = []
    for index, proto in enumerate(graph.node):
        if proto.domain not in DOMAINS:
            raise UnsupportedModel(
                f"{path.name} uses the operator {quote(proto.op_type)} of the domain "
                f"{quote(proto.domain)}, which is not part of the ONNX standard."
            )
        name = _layer_name(proto.name or f"{proto.op_type}_{index}")
        while name in names:
            name = f"{name}_{index}"
        names.add(name)
        attributes = {each.name: _read_attribute(each, path) for each in proto.attribute}
        nodes.append(
            Node(proto.op_type, name, tuple(proto.input), tuple(proto.output), attributes, proto)
        )
    return tuple(nodes)


def _read_attribute(attribute: Any, path: Path) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return _to_array(value, path)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _layer_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", ".", name.strip("/")).strip(".") or "node"
