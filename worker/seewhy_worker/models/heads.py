"""Put a new head on the frozen body of a network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from seewhy_worker.models.splitting.graph import has_graph
from seewhy_worker.models.splitting.split_model import SplitModel

_INPUT_NAME, _POOLING_NAME, _SCORES_NAME = "image", "pooled", "scores"


def build_feature_extractor(model: keras.Model, split_model: SplitModel) -> keras.Model:
    """Build a flat network up to the target layer and a mean over space: (N, H, W, 3) → (N, C).

    The output is float32. `split_model` must come from `model`, whose weights the new network
    shares. Layers of `model` whose names occur twice are renamed, because a flat network needs
    unique names.
    """
    _make_names_unique(model)
    pixels = keras.Input(split_model.input_shape, name=_INPUT_NAME)
    pooling = keras.layers.GlobalAveragePooling2D(
        data_format="channels_last", dtype="float32", name=_POOLING_NAME
    )
    activation, *_ = split_model.body(pixels)
    return keras.Model(pixels, pooling(activation), name="features")


def predict_features(extractor: keras.Model, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the features (N, C) of pixels (N, H, W, 3) in inference mode."""
    return np.asarray(extractor.predict_on_batch(pixels), np.float32)


def attach_head(
    extractor: keras.Model, kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> keras.Model:
    """Add a softmax of `features @ kernel + bias`, with shapes (C, classes) and (classes,).

    The returned network shares the weights of the extractor.
    """
    head = keras.layers.Dense(len(bias), activation="softmax", dtype="float32", name=_SCORES_NAME)
    scores = head(extractor.output)
    head.set_weights([kernel, bias])
    return keras.Model(extractor.input, scores, name="classifier")


def save_model(model: keras.Model, path: Path) -> None:
    """Write a `.keras` file, replacing an existing one."""
    model.save(path)


def _make_names_unique(model: keras.Model) -> None:
    used = {_INPUT_NAME, _POOLING_NAME, _SCORES_NAME}
    for operation in _operations(model, set()):
        name = operation.name
        # Keras numbers operations other than layers, such as a cast, anew in each process. The
        # prefix keeps the names in the file apart from those.
        if not isinstance(operation, keras.layers.Layer):
            name = f"base_{name}"
        unique = name
        count = 1
        while unique in used:
            count += 1
            unique = f"{name}_{count}"
        operation.name = unique
        used.add(unique)


def _operations(model: Any, seen: set[int]) -> Iterator[Any]:
    """Yield each operation of the model and of its nested models once."""
    operations = model.layers if isinstance(model, keras.Sequential) else model.operations
    for operation in operations:
        if id(operation) in seen:
            continue
        seen.add(id(operation))
        if has_graph(operation):
            yield from _operations(operation, seen)
        else:
            yield operation
