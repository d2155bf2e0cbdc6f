"""The number formats in which layers compute."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras


def all_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return the layer, and those inside it."""
    # Private, but the public `layers` of a model omits layers inside other layers.
    return list(layer._flatten_layers())  # noqa: SLF001


@contextmanager
def computing_in_float16(operations: Iterable[Any]) -> Iterator[bool]:
    """Let layers of float32 compute in float16 in graphs that the block traces.

    Their weights stay float32, and layers of other formats stay as they are. Yields whether there
    is any layer of float32 among `operations`. Not thread-safe.
    """
    layers = {
        id(layer): layer
        for operation in operations
        if isinstance(operation, keras.layers.Layer)
        for layer in all_layers(operation)
        if layer.dtype_policy.name == "float32"
    }
    policies = {key: layer.dtype_policy for key, layer in layers.items()}
    try:
        for layer in layers.values():
            layer.dtype_policy = "mixed_float16"
        yield bool(layers)
    finally:
        for key, layer in layers.items():
            layer.dtype_policy = policies[key]
