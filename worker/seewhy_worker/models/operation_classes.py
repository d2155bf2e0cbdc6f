"""The classes behind operations such as `a + b`, which `.h5` files name without their modules."""

from functools import cache
from typing import Any

from keras.src.ops import core, einops, image, linalg, math, nn, numpy
from keras.src.ops.operation import Operation

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.inspection.operations import MODULE
from seewhy_worker.models.inspection.wording import describe_unknown_class


def with_classes(value: Any, file_name: str) -> Any:
    """Return a copy of definitions in which operations name the module of their class.

    Raises `UnsupportedModel` for an operation that Keras does not have.
    """
    if isinstance(value, list):
        return [with_classes(item, file_name) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: with_classes(item, file_name) for key, item in value.items()}
    if found.get("module") == MODULE and "inbound_nodes" in found:
        class_name = found["class_name"]
        if class_name not in _modules():
            raise UnsupportedModel(
                describe_unknown_class(file_name, name=str(found["name"]), class_name=class_name)
            )
        return {**found, "module": _modules()[class_name], "registered_name": None}
    return found


@cache
def _modules() -> dict[str, str]:
    """Name of an operation's class → its module."""
    return {
        name: module.__name__
        for module in (core, einops, image, linalg, math, nn, numpy)
        for name, item in vars(module).items()
        if isinstance(item, type) and issubclass(item, Operation)
    }
