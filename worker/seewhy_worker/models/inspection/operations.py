"""Operations between layers, such as `a + b`, in `.h5` files of Keras 3.

An `.h5` file names classes without their modules, and ten operations have the name of a layer. An
addition would become the layer `Add`, which takes its inputs as a list.
"""

from collections.abc import Collection
from typing import Any

MODULE = "keras.ops"
_OF_LAYERS = frozenset({"batch_shape", "layers", "trainable"})
"""Layers, inputs and models have at least one of these in their config, and operations none."""


def name_operations(config: Any, *, registered: Collection[str]) -> None:
    """Write `MODULE` into each definition of an operation, in place.

    Definitions of classes that the operator's modules have `registered` stay as they are.
    """
    pending = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        if isinstance(value, dict):
            if _is_operation(value) and value["class_name"] not in registered:
                value["module"] = MODULE
            pending += value.values()


def _is_operation(definition: dict[str, Any]) -> bool:
    config = definition.get("config")
    is_call = "class_name" in definition and "inbound_nodes" in definition
    return (
        is_call
        and "module" not in definition
        and isinstance(config, dict)
        and not (_OF_LAYERS & config.keys())
    )
