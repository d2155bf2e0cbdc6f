"""A small network of an image, a number and a vector, and its entry in a catalog."""

import hashlib
from pathlib import Path
from typing import Any

import keras
from keras import layers

import networks

CATALOG = {"age": (0.4,), "site": (1.0, 0.0, -1.0)}


def dense(units: int, seed: int, activation: str | None = None, name: str | None = None) -> Any:
    initializer = networks.seeded_initializer(seed)
    return layers.Dense(units, activation, kernel_initializer=initializer, name=name)


def patient_network(*, gated: bool = False) -> keras.Model:
    """Build a network of an image, a number and a vector; the order of the inputs is mixed.

    The vector joins the head. With `gated`, the number also scales channels before the layer.
    """
    age, image, site = keras.Input((1,), name="age"), networks.image_input(), None
    site = keras.Input((3,), name="site")
    hidden = networks.conv(4, "conv1", 1)(image)
    if gated:
        gate = layers.Reshape((1, 1, 4))(dense(4, 5, "sigmoid")(age))
        hidden = layers.Multiply()([hidden, gate])
    hidden = networks.conv(4, "conv2", 2)(hidden)
    pooled = layers.GlobalAveragePooling2D()(hidden)
    joined = layers.Concatenate()([pooled, dense(4, 6, "tanh")(site), age])
    return keras.Model([age, image, site], dense(3, 7)(dense(6, 8, "relu")(joined)), name="patient")


ENTRY = """
[patient]
source = "patient.keras"
sha256 = "{digest}"
input = {{ height_px = 12, width_px = 12 }}
preprocessing = {{ kind = "scale", mean = 127.5, std = 127.5 }}
labels_file = "labels.txt"
inputs = {{ age = 0.4, site = [1, 0, -1] }}
"""


def write_patient_model(folder: Path) -> Path:
    """Save the network and its catalog in a folder; return the path of the catalog."""
    file = folder / "patient.keras"
    patient_network(gated=True).save(file)
    (folder / "labels.txt").write_text("benign\nmalignant\nunclear\n")
    catalog = folder / "models.toml"
    catalog.write_text(ENTRY.format(digest=hashlib.sha256(file.read_bytes()).hexdigest()))
    return catalog
