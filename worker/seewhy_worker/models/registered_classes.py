"""The classes and functions that the operator's modules register with Keras."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from seewhy_worker.models.operator_code import import_module

_REGISTRY_LOCK = threading.RLock()


def import_modules(names: Sequence[str]) -> dict[str, Any]:
    """Import modules, and return what they register with Keras, by its registered name.

    That is each class and function that one of the modules, or a module inside it, defines. Raises
    `UnsupportedModel` when a module is missing or its import fails.
    """
    for name in names:
        import_module(name)
    return {
        registered_name: item
        for registered_name, item in keras.saving.get_custom_objects().items()
        if any(_is_defined_in(item, name) for name in names)
    }


@contextmanager
def only_registered(allowed: Mapping[str, Any]) -> Iterator[None]:
    """Hide what modules of other models have registered with Keras, for the length of the block.

    Keras looks names of a file up in one registry of the process.
    """
    registry = keras.saving.get_custom_objects()
    with _REGISTRY_LOCK:
        hidden = {
            name: item
            for name, item in registry.items()
            if name not in allowed and not _is_defined_in(item, "keras")
        }
        for name in hidden:
            del registry[name]
        try:
            yield
        finally:
            registry.update(hidden)


def _is_defined_in(item: Any, module: str) -> bool:
    return f"{getattr(item, '__module__', '')}.".startswith(f"{module}.")
