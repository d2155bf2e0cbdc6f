"""Inspect a saved model before Keras builds anything from it.

One set of rules covers `.keras` and `.h5` files. The checks read metadata only, so they take
neither time nor memory that depends on what a file declares.
"""

import stat
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import h5py

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.inspection import archive
from seewhy_worker.models.inspection.allowed_classes import (
    CODE,
    MODELS,
    VALUES,
    VOCABULARIES,
    is_allowed,
)
from seewhy_worker.models.inspection.hdf5 import check_hdf5
from seewhy_worker.models.inspection.operations import name_operations
from seewhy_worker.models.inspection.structure import parse_json
from seewhy_worker.models.inspection.wording import describe_unknown_class, format_bytes, quote
from seewhy_worker.models.keras2.config import convert_config, is_keras2_version

MAX_CALLS = 10_000
"""The maximum number of layer calls, with those of nested models at each of their calls."""
MAX_NAME_CHARACTERS = 255
_TO_ONNX = "export the network to ONNX (`torch.onnx.export`), and then use `seewhy models convert`."
_REMEDIES = {
    ".onnx": "is an ONNX file: convert it with `seewhy models convert`.",
    **dict.fromkeys((".pt", ".pt2", ".pth"), f"is a file of PyTorch: {_TO_ONNX}"),
}
"""What to do with files of other libraries."""

Definition = dict[str, Any]


def read_definition(
    path: Path, *, memory_bytes: int, registered: Collection[str] = ()
) -> Definition:
    """Return the definition of a network that Keras 3 may build; that of Keras 2 is converted.

    The file may name classes of Keras and those that the operator's modules have `registered`,
    by the names of Keras' registry (`package>Class`). Raises `UnsupportedModel` for a file that is
    not a network, that names code, other files or other classes, or whose arrays exceed
    `memory_bytes`.
    """
    stored, version = _read(path, memory_bytes)
    name = path.name
    if not isinstance(stored, dict) or not isinstance(stored.get("config"), dict):
        raise UnsupportedModel(
            f"{name} is not a functional or Sequential model: its definition has no layers."
        )
    config: Definition = _without_training(stored)
    for definition in _definitions(config):
        _check_class_name(definition, name)
        _check_shape(definition, name)
    if is_keras2_version(version):
        config = _convert(config, path)
    elif path.suffix != ".keras":
        name_operations(config, registered=registered)
    for definition in _definitions(config):
        _check_definition(definition, name, registered)
    if config.get("class_name") not in MODELS and _registered_name(config) not in registered:
        raise UnsupportedModel(
            f"{name} is not a functional or Sequential model: it defines one "
            f"{quote(config.get('class_name', 'object without a class'))}."
        )
    if _count_calls(config) > MAX_CALLS:
        raise UnsupportedModel(f"{name} has more than {MAX_CALLS:,} layer calls.")
    return config


def _read(path: Path, memory_bytes: int) -> tuple[Any, str | None]:
    """Read the definition and, if the file states it, the Keras version."""
    if remedy := _REMEDIES.get(path.suffix):
        raise UnsupportedModel(f"{path.name} {remedy}")
    read = _read_archive if path.suffix == ".keras" else _read_hdf5
    try:
        _check_file(path, memory_bytes)
        return read(path, memory_bytes)
    except KeyError:
        raise UnsupportedModel(
            f"{path.name} holds weights without a network: save the whole model with "
            "`model.save(...)`."
        ) from None
    except UnsupportedModel:
        raise
    except Exception as error:  # a broken file makes h5py and zipfile raise almost anything
        raise UnsupportedModel(
            f"{path.name} is not a model saved by Keras: {quote(error)}"
        ) from error


def _check_file(path: Path, memory_bytes: int) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedModel(f"{path.name} is not a regular file.")
    if status.st_size > memory_bytes:
        raise UnsupportedModel(
            f"{path.name} is a file of {format_bytes(status.st_size)}, more than the limit of "
            f"{format_bytes(memory_bytes)}: use a smaller network, or raise "
            "SEEWHY_MODEL_MEMORY_BYTES."
        )


def _read_archive(path: Path, memory_bytes: int) -> tuple[Any, str | None]:
    with zipfile.ZipFile(path) as file:
        archive.check_members(file, path.name)
        config = archive.read_json(file, archive.CONFIG_MEMBER, path.name)
        metadata = archive.read_json(file, archive.METADATA_MEMBER, path.name)
        if not isinstance(metadata, dict) or "keras_version" not in metadata:
            raise UnsupportedModel(
                f"{path.name} does not state the version of Keras: save the model again with "
                "`model.save(...)`."
            )
        version = str(metadata["keras_version"])
        if is_keras2_version(version):
            raise UnsupportedModel(
                f"{path.name} was written by Keras 2, and Keras 3 cannot read its `.keras` files: "
                "load it with Keras 2 and save it as an `.h5` file with `model.save(...)`."
            )
        with archive.open_weights(path, file) as weights, h5py.File(weights, "r") as arrays:
            size = file.getinfo(archive.WEIGHTS_MEMBER).file_size
            check_hdf5(arrays, file_name=path.name, file_bytes=size, memory_bytes=memory_bytes)
    return config, version


def _read_hdf5(path: Path, memory_bytes: int) -> tuple[Any, str | None]:
    with h5py.File(path, "r") as file:
        config = parse_json(file.attrs["model_config"], file_name=path.name)
        version = file.attrs.get("keras_version")
        size = path.stat().st_size
        check_hdf5(file, file_name=path.name, file_bytes=size, memory_bytes=memory_bytes)
    return config, None if version is None else str(version)


def _convert(config: Definition, path: Path) -> Definition:
    try:
        converted: Definition = convert_config(config)
        converted["config"]["layers"]  # missing in some custom model classes
    except UnsupportedModel as error:
        raise UnsupportedModel(f"{path.name}: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise UnsupportedModel(
            f"{path.name} is not a functional or Sequential model saved by Keras 2: "
            f"{quote(repr(error))}"
        ) from error
    return converted


def _without_training(value: Any) -> Any:
    """Drop the optimizers, losses and metrics of a model and of the models inside it."""
    if isinstance(value, list):
        return [_without_training(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {k: _without_training(item) for k, item in value.items() if k != "compile_config"}


def _definitions(config: Any) -> Iterator[Definition]:
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


def _check_class_name(definition: Definition, file_name: str) -> None:
    class_name = definition["class_name"]
    if not isinstance(class_name, str):
        raise UnsupportedModel(
            f"{file_name} has a definition whose class name is {quote(class_name)!r}, not a text."
        )
    if class_name in CODE:
        kind = "Lambda" if class_name == "__lambda__" else class_name
        raise UnsupportedModel(
            f"{file_name} contains Python code (the {kind} {_name_of(definition)!r}), and seewhy "
            "never runs code from a file: replace it by a Keras layer, or by a layer "
            "that a module of `modules` in the catalog registers, and save the model again."
        )
    if class_name in VOCABULARIES:
        raise UnsupportedModel(
            f"{file_name} contains the layer {_name_of(definition)!r} of the class {class_name}, "
            "which can read other files: remove it and save the model again."
        )


def _check_shape(definition: Definition, file_name: str) -> None:
    """Require the JSON types that every definition of Keras has."""
    config = definition.get("config")
    if not isinstance(config, dict | str | None):
        raise UnsupportedModel(
            f"{file_name} has a {quote(definition['class_name'])} whose config is "
            f"{quote(config)!r}, not a set of named values."
        )
    if definition["class_name"] in MODELS and isinstance(config, dict):
        layers = config.get("layers", [])
        if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
            raise UnsupportedModel(
                f"{file_name} has a model whose layers are {quote(layers)!r}, not a list of layers."
            )


def _check_definition(definition: Definition, file_name: str, registered: Collection[str]) -> None:
    class_name, module = definition["class_name"], definition.get("module")
    is_known = class_name in VALUES or is_allowed(class_name, module)
    if not is_known and _registered_name(definition) not in registered:
        raise UnsupportedModel(
            describe_unknown_class(file_name, name=_name_of(definition), class_name=class_name)
        )
    config = definition.get("config")
    names = [definition.get("name"), config.get("name") if isinstance(config, dict) else None]
    for name in names:
        if name is not None and not _is_name(name):
            raise UnsupportedModel(
                f"{file_name} has a layer named {quote(name)!r}: a name is a text of at most "
                f"{MAX_NAME_CHARACTERS} characters without '/', '\\' and '..'."
            )


def _registered_name(definition: Definition) -> str:
    """Return the name by which Keras looks a class or function up in its registry."""
    class_name = definition.get("class_name")
    if class_name == "function":
        return str(definition.get("config"))
    return str(definition.get("registered_name", class_name))  # `.h5` files have class names only


def _is_name(name: Any) -> bool:
    return (
        isinstance(name, str)
        and len(name) <= MAX_NAME_CHARACTERS
        and name.isprintable()
        and not any(part in name for part in ("/", "\\", ".."))
    )


def _name_of(definition: Definition) -> str:
    config = definition.get("config")
    config_name = config.get("name") if isinstance(config, dict) else None
    return quote(definition.get("name") or config_name or definition["class_name"])


def _count_calls(definition: Any) -> int:
    """Count the layer calls of a model; a nested model counts at each of its calls."""
    if not isinstance(definition, dict) or not isinstance(definition.get("config"), dict):
        return 1
    config = definition["config"]
    if definition.get("class_name") not in MODELS:
        return _count_calls(config["layer"]) if "layer" in config else 1
    layers = config.get("layers")
    return sum(
        _count_nodes(layer) * _count_calls(layer)
        for layer in (layers if isinstance(layers, list) else [])
    )


def _count_nodes(layer: Any) -> int:
    nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
    return max(1, len(nodes)) if isinstance(nodes, list) else 1
