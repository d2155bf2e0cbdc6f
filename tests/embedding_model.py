"""A small network that outputs an embedding, with three references in its catalog."""

import hashlib
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from keras import layers

import networks

NAMES = ("anna", "ben", "eva")
ENTRY = """
[faces]
source = "faces.keras"
sha256 = "{digest}"
input = {{ height_px = 12, width_px = 12 }}
preprocessing = {{ kind = "scale", mean = 127.5, std = 127.5 }}
scores = "embedding"
"""


def embedding_network() -> keras.Model:
    image = networks.image_input()
    hidden = networks.conv(4, "conv", 1)(image)
    initializer = networks.seeded_initializer(2)
    embedding = layers.Dense(6, "tanh", kernel_initializer=initializer, name="embedding")
    return keras.Model(image, embedding(layers.Flatten()(hidden)))


def random_photo(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_catalog(
    folder: Path, *, entry: str = ENTRY, digests: dict[str, str] | None = None
) -> Path:
    """Write a model, the photos of three references and the catalog."""
    embedding_network().save(folder / "faces.keras")
    text = entry.format(digest=digest(folder / "faces.keras"))
    for seed, name in enumerate(NAMES):
        path = folder / f"{name}.png"
        cv2.imwrite(str(path), random_photo(seed)[..., ::-1])
        sha256 = (digests or {}).get(name) or digest(path)
        text += f'[faces.references.{name}]\nfile = "{name}.png"\nsha256 = "{sha256}"\n'
    (folder / "models.toml").write_text(text)
    return folder / "models.toml"
