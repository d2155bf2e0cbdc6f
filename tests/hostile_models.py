"""Write model files that no training has made: each must be refused in one sentence."""

import json
import os
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import keras
import numpy as np

import networks

Change = Callable[[dict[str, Any]], object]


def write_network(path: Path) -> Path:
    """Save the small network in the format of the suffix."""
    path.write_bytes(_small_network(path.suffix))
    return path


@cache
def _small_network(suffix: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        networks.two_layer_cnn().save(path)
        return path.read_bytes()


def write_pooled_network(path: Path, layer: keras.layers.Layer, *, side_px: int = 12) -> Path:
    """Save a network with few weights in which `layer` may make huge activations."""
    image = keras.Input((side_px, side_px, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(layer(image))
    keras.Model(image, keras.layers.Dense(2)(pooled)).save(path)
    return path


def write_attention(path: Path, *, side_px: int) -> Path:
    """Save a network of few weights and activations whose attention needs `side_px` ** 4 numbers.

    No output of a layer shows them, so the inspection lets the file through.
    """
    image = keras.Input((side_px, side_px, 3))
    hidden = keras.layers.Conv2D(2, 1, name="conv")(image)
    tokens = keras.layers.Reshape((side_px * side_px, 2))(hidden)
    tokens = keras.layers.MultiHeadAttention(1, 2, flash_attention=False)(tokens, tokens)
    hidden = keras.layers.Reshape((side_px, side_px, 2))(tokens)
    pooled = keras.layers.GlobalAveragePooling2D()(hidden)
    keras.Model(image, keras.layers.Dense(2)(pooled)).save(path)
    return path


def change_definition(path: Path, change: Change) -> Path:
    """Rewrite the definition in a `.keras` or `.h5` file; `change` may return another one."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            definition = json.loads(file.attrs["model_config"])
            definition = change(definition) or definition
            del file.attrs["model_config"]
            text = json.dumps(definition)
            # A long attribute needs space that HDF5 has only for strings of variable length.
            file.attrs.create("model_config", text, dtype=h5py.string_dtype())
        return path
    members = read_members(path)
    definition = json.loads(members["config.json"])
    members["config.json"] = json.dumps(change(definition) or definition).encode()
    return write_members(path, list(members.items()))


def read_members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(
    path: Path, members: list[tuple[str, bytes]], *, compression: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return path


def layers_of(definition: dict[str, Any]) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = definition["config"]["layers"]
    return layers


def set_in_layer(index: int, **fields: Any) -> Change:
    """Set fields in the config of a layer."""
    return lambda definition: layers_of(definition)[index]["config"].update(fields)


def replace_class(index: int, class_name: str, **config: Any) -> Change:
    """Turn a layer into one of another class."""

    def change(definition: dict[str, Any]) -> None:
        layer = layers_of(definition)[index]
        name = layer["config"]["name"]
        layer.update(class_name=class_name, config={"name": name, **config})
        if "module" in layer:
            layer.update(module="keras.layers", registered_name=None)

    return change


def nest(depth: int) -> Change:
    """Put lists into lists in the config of a layer."""

    def change(definition: dict[str, Any]) -> None:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        layers_of(definition)[1]["config"]["kernel_size"] = value

    return change


def repeat_layers(count: int) -> Change:
    """Copy a layer, so that the network has `count` more of them."""

    def change(definition: dict[str, Any]) -> None:
        layers = layers_of(definition)
        layers += [
            {
                **layers[1],
                "name": f"copy{index}",
                "config": {**layers[1]["config"], "name": f"c{index}"},
            }
            for index in range(count)
        ]

    return change


def nest_models(path: Path, *, depth: int) -> Path:
    """Save models in models, each called twice by the next: 2 ** depth calls in a small file."""
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Conv2D(3, 1, name="conv")(image), name="level0")
    for level in range(1, depth):
        image = keras.Input((8, 8, 3))
        model = keras.Model(image, model(model(image)), name=f"level{level}")
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(model(image))
    keras.Model(image, keras.layers.Dense(2)(pooled)).save(path)

    def multiply(definition: dict[str, Any]) -> None:
        """Make each level call the one below eight times instead of twice."""
        pending = [definition]
        while pending:
            one = pending.pop()
            nested = [layer for layer in layers_of(one) if "layers" in layer["config"]]
            for layer in nested:
                layer["inbound_nodes"] = layer["inbound_nodes"] * 4
            pending += nested

    return change_definition(path, multiply)


def add_external_array(path: Path) -> Path:
    """Keep the bias of the last layer in another file."""
    with h5py.File(path, "r+") as file:
        group = file["model_weights/scores"]
        secret = path.with_name("secret")
        secret.write_bytes(bytes(4 * networks.CLASSES))
        group.create_dataset(
            "outside",
            (networks.CLASSES,),
            "float32",
            external=[(str(secret), 0, 4 * networks.CLASSES)],
        )
    return path


def add_virtual_array(path: Path) -> Path:
    """Assemble an array from another file."""
    with h5py.File(path, "r+") as file:
        layout = h5py.VirtualLayout((networks.CLASSES,), "float32")
        layout[:] = h5py.VirtualSource("/etc/passwd", "data", (networks.CLASSES,), "float32")
        file["model_weights/scores"].create_virtual_dataset("virtual", layout)
    return path


def add_link(path: Path, link: object) -> Path:
    """Plant a link among the weights."""
    with h5py.File(path, "r+") as file:
        file["model_weights"]["link"] = link
    return path


def add_array(path: Path, name: str, shape: tuple[int, ...], **options: Any) -> Path:
    """Declare an array of zeros that takes next to no space in the file."""
    with h5py.File(path, "r+") as file:
        file["model_weights"].create_dataset(name, shape, **{"dtype": "float32", **options})
    return path


def set_weight(path: Path, value: float) -> Path:
    """Overwrite one weight of an `.h5` file."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file["model_weights/conv1"].visit(names.append)
        kernel = next(name for name in names if name.endswith("kernel"))
        file["model_weights/conv1"][kernel][0, 0, 0, 0] = value
    return path


def make_fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def truncate(path: Path, fraction: float) -> Path:
    """Cut the end of a file off."""
    body = path.read_bytes()
    path.write_bytes(body[: int(len(body) * fraction)])
    return path


def compress(path: Path, *, weights_bytes: int) -> Path:
    """Make an archive whose weights unpack to `weights_bytes` of zeros."""
    members = read_members(path)
    members["model.weights.h5"] = np.zeros(weights_bytes, np.uint8).tobytes()
    return write_members(path, list(members.items()), compression=zipfile.ZIP_DEFLATED)
