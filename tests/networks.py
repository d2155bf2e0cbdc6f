"""Small seeded networks, so that no test needs a downloaded one."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from seewhy.catalog.model_spec import InputSize, ModelSpec, ScalePreprocessing
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.models.splitting.split_model import split

CLASSES = 5
SIDE_PX = 12


def image_input() -> keras.KerasTensor:
    return keras.Input((SIDE_PX, SIDE_PX, 3))


def seeded_initializer(seed: int) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.3, seed=seed)


def conv(filters: int, name: str, seed: int) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        filters, 3, activation="relu", name=name, kernel_initializer=seeded_initializer(seed)
    )


def two_layer_cnn(output_activation: str = "none") -> keras.Model:
    """Build two convolutions and two dense layers; `output_activation` selects the end."""
    image = image_input()
    hidden = conv(6, "conv1", 1)(image)
    hidden = conv(4, "conv2", 2)(hidden)
    hidden = keras.layers.Flatten(name="flatten")(hidden)
    hidden = keras.layers.Dense(8, "relu", name="fc", kernel_initializer=seeded_initializer(3))(
        hidden
    )
    fused = (
        output_activation.removeprefix("fused ") if output_activation.startswith("fused ") else None
    )
    scores = keras.layers.Dense(
        CLASSES, fused, name="scores", kernel_initializer=seeded_initializer(4)
    )(hidden)
    if output_activation == "softmax layer":
        scores = keras.layers.Softmax(name="softmax")(scores)
    if output_activation == "activation layer":
        scores = keras.layers.Activation("softmax", name="softmax")(scores)
    if output_activation == "softmax operation":
        scores = keras.ops.softmax(scores)
    return keras.Model(image, scores, name="small")


def make_explainer(
    model: keras.Model,
    folder: Path,
    *,
    max_batch: int = 8,
    layer: str | None = None,
    output: str | None = None,
    activation_cache_bytes: int = 0,
) -> KerasExplainer:
    """Make an explainer of a small network, with classes named c0, c1 and so on."""
    split_model = split(model, layer, output=output)
    return KerasExplainer(
        spec=make_spec(folder, classes=split_model.classes),
        model=split_model,
        max_batch=max_batch,
        activation_cache_bytes=activation_cache_bytes,
    )


def make_spec(folder: Path, *, classes: int = CLASSES, **fields: Any) -> ModelSpec:
    """Describe a small network, with classes named c0, c1 and so on."""
    (folder / "labels.txt").write_text("".join(f"c{i}\n" for i in range(classes)))
    spec = ModelSpec(
        name="small",
        folder=folder,
        source="small.keras",
        sha256="0" * 64,
        input=InputSize(height_px=SIDE_PX, width_px=SIDE_PX),
        preprocessing=ScalePreprocessing(kind="scale", mean=127.5, std=127.5),
        labels_file="labels.txt",
    )
    return spec.model_copy(update=fields)


def random_images(count: int, *, seed: int = 0) -> list[np.ndarray]:
    """RGB images of several sizes, (H, W, 3) uint8."""
    generator = np.random.default_rng(seed)
    sides = generator.integers(9, 30, (count, 2))
    return [generator.integers(0, 256, (h, w, 3), np.uint8) for h, w in sides]


def explain_images(
    model: keras.Model,
    folder: Path,
    *,
    layer: str | None = None,
    output: str | None = None,
    targets: tuple[int, ...] = (0, 1, 2, 3, 4, -1),
) -> list[ImageExplanation]:
    """Explain three seeded images; by default every class of five, and the predicted one."""
    explainer = make_explainer(model, folder, layer=layer, output=output)
    images = map(explainer.prepare, random_images(3, seed=4))
    return explainer.explain([ExplanationTask.create(image, targets) for image in images])


def assert_same_maps(
    found: list[ImageExplanation], expected: list[ImageExplanation], *, rtol: float = 1e-5
) -> None:
    """Compare maps relative to their peaks, and the explained classes."""
    for one, other in zip(found, expected, strict=True):
        peak = np.abs(other.maps).max()
        assert peak > 0
        np.testing.assert_allclose(one.maps, other.maps, rtol=0, atol=rtol * peak)
        for ours, theirs in zip(one.targets, other.targets, strict=True):
            assert ours.score.index == theirs.score.index
            assert ours.score.logit == pytest.approx(theirs.score.logit, rel=10 * rtol, abs=rtol)


def dense(units: int, name: str, seed: int, activation: str | None = None) -> keras.layers.Layer:
    return keras.layers.Dense(
        units, activation, name=name, kernel_initializer=seeded_initializer(seed)
    )


def backbone(name: str = "backbone") -> keras.Model:
    """Make the convolutions of `two_layer_cnn`."""
    image = image_input()
    hidden = conv(6, "conv1", 1)(image)
    return keras.Model(image, conv(4, "conv2", 2)(hidden), name=name)


def add_classifier(hidden: keras.KerasTensor, activation: str | None = None) -> keras.KerasTensor:
    """Put the dense layers of `two_layer_cnn` on top."""
    hidden = dense(8, "fc", 3, "relu")(keras.layers.Flatten(name="flatten")(hidden))
    return dense(CLASSES, "scores", 4, activation)(hidden)
