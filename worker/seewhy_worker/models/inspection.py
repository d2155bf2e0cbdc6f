"""Inspect a saved model before Keras builds anything from it.

The safe mode of Keras covers `.keras` files but has not always covered `.h5` files. This module
applies the same rules to both and explains what to do about a refusal.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.keras2.config import convert_config, is_keras2_version

_MODEL_CLASSES = {"Functional", "Model", "Sequential"}
# The Keras modules that networks consist of. Others, such as downloads and file access, are
# refused.
_ALLOWED_MODULES = (
    "activations",
    "constraints",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "ops",
    "regularizers",
)


def inspect_file(path: Path) -> dict[str, Any] | None:
    """Refuse a file that holds Python code or layers that Keras does not have.

    Returns the definition converted to Keras 3 for an `.h5` file from Keras 2, and None for files
    that Keras reads unchanged. Raises `UnsupportedModel`, also for a file without a network.
    """
    config, version = _read_config(path)
    converted = _convert(config, path) if is_keras2_version(version) else None
    for definition in _definitions(converted or config):
        _check_definition(definition, path.name)
    return converted


def _convert(config: Any, path: Path) -> dict[str, Any]:
    if path.suffix == ".keras":
        raise UnsupportedModel(
            f"{path.name} was written by Keras 2, and Keras 3 cannot read its `.keras` files: load "
            "it with Keras 2 and save it as an `.h5` file with `model.save(...)`."
        )
    try:
        converted: dict[str, Any] = convert_config(config)
        converted["config"]["layers"]  # missing in some custom model classes
    except UnsupportedModel as error:
        raise UnsupportedModel(f"{path.name}: {error}") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UnsupportedModel(
            f"{path.name} is not a functional or Sequential model saved by Keras 2: {error!r}"
        ) from error
    return converted


def _read_config(path: Path) -> tuple[Any, str | None]:
    """Read the network's definition and, if the file states it, the Keras version."""
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
                version = json.loads(archive.read("metadata.json"))["keras_version"]
        else:
            with h5py.File(path, "r") as file:
                config = json.loads(file.attrs["model_config"])
                version = file.attrs.get("keras_version")
    except KeyError:
        raise UnsupportedModel(
            f"{path.name} holds weights without a network: save the whole model with "
            "`model.save(...)`."
        ) from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UnsupportedModel(f"{path.name} is not a model saved by Keras: {error}") from error
    # Inference does not need the training configuration.
    config = {key: value for key, value in config.items() if key != "compile_config"}
    return config, None if version is None else str(version)


def _definitions(config: Any) -> Iterator[dict[str, Any]]:
    """Yield the definition of every object that Keras would build, the outermost first."""
    pending = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            pending += value.values()


def _check_definition(definition: dict[str, Any], file_name: str) -> None:
    class_name = str(definition["class_name"])
    config = definition.get("config")
    config_name = config.get("name") if isinstance(config, dict) else None
    name = definition.get("name") or config_name or class_name
    if class_name in {"Lambda", "__lambda__"}:
        raise UnsupportedModel(
            f"{file_name} contains Python code (the Lambda {name!r}), and seewhy never runs code "
            "from a file: replace it by a Keras layer and save the model again."
        )
    if class_name.startswith("__") or _is_keras_class(class_name, definition.get("module")):
        return
    raise UnsupportedModel(
        f"{file_name} contains {name!r} of the class {class_name}, which Keras does not have: "
        "rebuild the model as a functional or Sequential model of Keras layers and save it again."
    )


def _is_keras_class(class_name: str, module: Any) -> bool:
    if module is None:  # .h5 files state no module
        return class_name in _MODEL_CLASSES or any(
            hasattr(getattr(keras, name), class_name) for name in _ALLOWED_MODULES if name != "ops"
        )
    if module == "builtins":
        return class_name == "function"
    first = str(module).removeprefix("keras.src.").removeprefix("keras.").split(".")[0]
    return module == "keras" or (str(module).startswith("keras.") and first in _ALLOWED_MODULES)
