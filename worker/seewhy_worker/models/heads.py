"""A new head over the frozen body of a network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from seewhy_worker.models.graph import has_graph
from seewhy_worker.models.splitting import SplitModel

_PICTURE, _POOLED, _SCORES = "picture", "pooled", "scores"


def pooled(model: keras.Model, parts: SplitModel) -> keras.Model:
    """Make the flat network of `parts.body` and a mean over space: (N, H, W, 3) → (N, C) float32.

    It shares the weights of `model`, of which `parts` was split. Where nested models have layers
    of the same name, which one flat network cannot have, some of the model's layers get others.
    """
    _tell_apart(model)
    picture = keras.Input(parts.input_shape, name=_PICTURE)
    layer = keras.layers.GlobalAveragePooling2D(
        data_format="channels_last", dtype="float32", name=_POOLED
    )
    return keras.Model(picture, layer(parts.body(picture)), name="features")


def features(network: keras.Model, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the output (N, C) of a network made by `pooled`, in inference."""
    return np.asarray(network.predict_on_batch(pixels), np.float32)


def with_head(
    network: keras.Model, kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> keras.Model:
    """Put a softmax of `features @ kernel + bias` on top: (C, classes) and (classes,).

    The network is one that `pooled` made, and shares its weights with the one returned.
    """
    head = keras.layers.Dense(len(bias), activation="softmax", dtype="float32", name=_SCORES)
    scores = head(network.output)
    head.set_weights([kernel, bias])
    return keras.Model(network.input, scores, name="classifier")


def save(model: keras.Model, path: Path) -> None:
    """Write a `.keras` file, over one that is there."""
    model.save(path)


def _tell_apart(model: keras.Model) -> None:
    taken = {_PICTURE, _POOLED, _SCORES}
    for operation in _operations(model, set()):
        # Operations that are no layers, such as a cast, are named by Keras itself in each process:
        # those of a file would meet the new ones.
        name = operation.name
        if not isinstance(operation, keras.layers.Layer):
            name = f"base_{name}"
        free = name
        count = 1
        while free in taken:
            count += 1
            free = f"{name}_{count}"
        operation.name = free
        taken.add(free)


def _operations(model: Any, seen: set[int]) -> Iterator[Any]:
    """Yield each operation of the model and of those nested in it, once."""
    for one in model.layers if isinstance(model, keras.Sequential) else model.operations:
        if id(one) in seen:
            continue
        seen.add(id(one))
        if has_graph(one):
            yield from _operations(one, seen)
        else:
            yield one
