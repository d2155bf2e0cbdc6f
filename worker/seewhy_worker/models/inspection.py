"""What a saved model is made of, read before Keras builds anything of it.

Keras' safe mode guards `.keras` files and has not always guarded `.h5` ones; this looks at both
with the same eyes, and its refusals say what to do.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.keras2 import is_by_keras_2, modernised

_MODELS = {"Functional", "Model", "Sequential"}
# The parts of Keras that a network is made of. What is elsewhere, files and downloads among it,
# has no place in a network.
_MODULES = (
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


def inspect(path: Path) -> dict[str, Any] | None:
    """Refuse a file with Python code or with layers that Keras does not have.

    Returns None where Keras reads the file as it is, and the network's definition in the words of
    Keras 3 for an `.h5` file that Keras 2 wrote. Raises `UnsupportedModel`, also for a file without
    a network.
    """
    config, version = _read(path)
    modern = _modernised(config, path) if is_by_keras_2(version) else None
    for part in _parts(modern or config):
        _check(part, path.name)
    return modern


def _modernised(config: Any, path: Path) -> dict[str, Any]:
    if path.suffix == ".keras":
        raise UnsupportedModel(
            f"{path.name} was written by Keras 2, whose `.keras` files Keras 3 does not read: load "
            "it with Keras 2 and save it as an `.h5` file, by `model.save(...)`."
        )
    try:
        modern: dict[str, Any] = modernised(config)
        modern["config"]["layers"]  # a class of the user's own may have none
    except UnsupportedModel as refusal:
        raise UnsupportedModel(f"{path.name}: {refusal}") from refusal
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UnsupportedModel(
            f"{path.name} is no functional or Sequential model saved by Keras 2: {error!r}"
        ) from error
    return modern


def _read(path: Path) -> tuple[Any, str | None]:
    """Return the network's definition and the version of Keras that wrote it, where it is named."""
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
            f"{path.name} holds weights without a network: save the whole model, by "
            "`model.save(...)`."
        ) from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UnsupportedModel(f"{path.name} is no model saved by Keras: {error}") from error
    # How the whole was trained is not read: it is loaded for inference.
    config = {key: value for key, value in config.items() if key != "compile_config"}
    return config, None if version is None else str(version)


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every object that Keras would make, the outermost first."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            waiting += value.values()


def _check(part: dict[str, Any], file_name: str) -> None:
    kind = str(part["class_name"])
    config = part.get("config")
    name = part.get("name") or (config.get("name") if isinstance(config, dict) else None) or kind
    if kind in {"Lambda", "__lambda__"}:
        raise UnsupportedModel(
            f"{file_name} holds Python code (the Lambda {name!r}), which is never run from a "
            "file: put one of Keras' own layers in its place and save the model again."
        )
    if kind.startswith("__") or _is_of_keras(kind, part.get("module")):
        return
    raise UnsupportedModel(
        f"{file_name} holds {name!r} of the class {kind}, which Keras does not have: rebuild the "
        "model as a functional or Sequential one of Keras' own layers and save it again."
    )


def _is_of_keras(kind: str, module: Any) -> bool:
    if module is None:  # .h5 files name the class alone
        return kind in _MODELS or any(
            hasattr(getattr(keras, name), kind) for name in _MODULES if name != "ops"
        )
    if module == "builtins":
        return kind == "function"
    first = str(module).removeprefix("keras.src.").removeprefix("keras.").split(".")[0]
    return module == "keras" or (str(module).startswith("keras.") and first in _MODULES)
