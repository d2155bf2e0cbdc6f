"""The operators that can be converted, by their names in the ONNX standard."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy_worker.conversion.graph.nodes import Node
from seewhy_worker.conversion.graph.values import Value

Converter = Callable[..., Value | list[Value]]
"""`convert(node, *inputs)` → the output or the outputs; an input left out is None."""

OPERATORS: dict[str, Converter] = {}


def operator(*names: str) -> Callable[[Converter], Converter]:
    """Register a converter of these operators."""

    def register(convert: Converter) -> Converter:
        OPERATORS.update(dict.fromkeys(names, convert))
        return convert

    return register


def constant(node: Node, value: Value | None, what: str) -> NDArray[Any]:
    """Return a constant input. Raises `UnsupportedModel` if it depends on the image."""
    if value is None or not value.is_constant:
        raise node.refuse(f"computes its {what} from the image: only a constant can be converted.")
    return np.asarray(value.tensor)


def with_weights(layer: Any, tensor: Any, weights: Sequence[NDArray[Any]]) -> Any:
    """Call a Keras layer and set its weights."""
    result = layer(tensor)
    layer.set_weights([np.asarray(each, np.float32) for each in weights])
    return result
