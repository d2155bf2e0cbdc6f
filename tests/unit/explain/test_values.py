"""Models that output values: the explained score is the value of an output."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

import networks
from seewhy.errors import UnsupportedModel
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.models.splitting.split_model import split

VALUES = MethodOptions(score="value")


def regression(activation: str | None, *, outputs: int = 1) -> keras.Model:
    """Build a network whose last layer has `activation`, which is part of the value."""
    image = networks.image_input()
    hidden = networks.conv(4, "conv", 1)(image)
    hidden = layers.Flatten()(hidden)
    hidden = layers.Dense(6, "tanh", kernel_initializer=networks.seeded_initializer(2))(hidden)
    values = layers.Dense(
        outputs,
        activation,
        name="values",
        kernel_initializer=networks.seeded_initializer(3),
        bias_initializer="ones",  # keeps a ReLU at the end positive
    )
    return keras.Model(image, values(hidden))


def explainer_of(model: keras.Model, folder: Path, *, outputs: int = 1) -> KerasExplainer:
    spec = networks.make_spec(
        folder, classes=outputs, scores="values", labels_file=None if outputs == 1 else "labels.txt"
    )
    return KerasExplainer(spec=spec, model=split(model, outputs="values"), max_batch=1)


def gradcam(model: keras.Model, pixels: NDArray[np.float32], output: int) -> tuple[Any, float]:
    """Compute Grad-CAM of y = f(x)[output] with a tape over the whole network."""
    both = keras.Model(model.input, [model.get_layer("conv").output, model.output])
    with tf.GradientTape() as tape:
        activation, values = both(pixels[None])
        value = values[0, output]
    gradient = tape.gradient(value, activation)
    weights = tf.reduce_mean(gradient, axis=(1, 2))
    return tf.einsum("nc,nhwc->nhw", weights, activation)[0].numpy(), float(value)


@pytest.mark.parametrize("activation", [None, "relu", "softplus", "sigmoid"])
def test_a_value_is_what_the_network_outputs_with_its_activation(
    activation: str | None, tmp_path: Path
) -> None:
    model = regression(activation)
    explainer = explainer_of(model, tmp_path)
    prepared = explainer.prepare(np.random.default_rng(7).integers(0, 256, (12, 12, 3), np.uint8))
    (found,) = explainer.explain([ExplanationTask.create(prepared, [0], VALUES)])
    expected, value = gradcam(model, prepared.pixels, 0)
    assert np.abs(expected).max() > 0
    assert np.abs(found.maps[0] - expected).max() <= 1e-5 * np.abs(expected).max()
    score = found.targets[0].score
    assert score.value == pytest.approx(value, rel=1e-5)
    assert (score.label, score.logit, score.probability) == ("value", None, None)
    assert found.top == (score,)


def test_each_of_several_outputs_has_a_map_and_they_are_not_ranked(tmp_path: Path) -> None:
    model = regression(None, outputs=3)
    explainer = explainer_of(model, tmp_path, outputs=3)
    prepared = explainer.prepare(np.random.default_rng(7).integers(0, 256, (12, 12, 3), np.uint8))
    (found,) = explainer.explain([ExplanationTask.create(prepared, [2, 0], VALUES)])
    for map_, output in zip(found.maps, (2, 0), strict=True):
        expected, _ = gradcam(model, prepared.pixels, output)
        assert np.abs(map_ - expected).max() <= 1e-5 * np.abs(expected).max()
    assert [score.label for score in found.top] == ["c0", "c1", "c2"]
    values = [gradcam(model, prepared.pixels, output)[1] for output in range(3)]
    assert [score.value for score in found.top] == pytest.approx(values, rel=1e-5)


def test_the_warm_up_compiles_what_a_request_needs(tmp_path: Path) -> None:
    explainer = explainer_of(regression(None), tmp_path)
    explainer.warm_up()
    compiled = explainer.graphs.head.cache_info().currsize
    prepared = explainer.prepare(np.zeros((12, 12, 3), np.uint8))
    explainer.explain([ExplanationTask.create(prepared, [0], VALUES)])
    assert explainer.graphs.head.cache_info().currsize == compiled


def test_as_a_classifier_such_a_network_is_refused_with_the_remedy() -> None:
    with pytest.raises(UnsupportedModel, match=r'ends in relu.*say so with `scores = "values"`'):
        split(regression("relu"))


def test_outputs_that_the_catalog_does_not_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="has 2 outputs, but the catalog names 1"):
        explainer_of(regression(None, outputs=2), tmp_path)
