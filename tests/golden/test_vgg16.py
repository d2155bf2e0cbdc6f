"""The VGG16 architecture through the whole explainer, with seeded random weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_files import RandomWeights
from seewhy.catalog.model_spec import ModelSpec, VggPreprocessing
from seewhy.schemas.geometry import Rectangle
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import BATCH_TOLERANCE, KerasExplainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.preprocessing import preprocess
from seewhy_worker.models.splitting.split_model import split

IMAGES = np.random.default_rng(8).integers(0, 256, (2, 300, 200, 3), np.uint8)


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    shipped = Catalog.load(load({})).get("vgg16")
    return shipped.model_copy(update={"weights": RandomWeights(random_seed=16)})


@pytest.fixture(scope="module")
def model(spec: ModelSpec) -> keras.Model:
    return load_model(spec, weights_path=None)


@pytest.fixture(scope="module")
def explainer(spec: ModelSpec, model: keras.Model) -> KerasExplainer:
    split_model = split(model, spec.layer)
    return KerasExplainer(spec=spec, model=split_model, max_batch=2)


def test_vgg16_is_explained_at_its_last_convolution(explainer: KerasExplainer) -> None:
    assert (explainer.layer, explainer.map_shape) == ("block5_conv3", (14, 14))
    assert explainer.prepare(IMAGES[0]).covers == Rectangle(x=0, y=0, width=200, height=300)


def test_the_map_equals_that_of_a_gradient_through_the_whole_network(
    explainer: KerasExplainer, model: keras.Model
) -> None:
    prepared = [explainer.prepare(image) for image in IMAGES]
    tasks = map(ExplanationTask.create, prepared, [(7, -1), (-2, 999)])
    explained = explainer.explain(list(tasks))
    for image, result in zip(prepared, explained, strict=True):
        for target, found in zip(result.targets, result.maps, strict=True):
            expected, logits = whole_network(model, image.pixels, target.score.index)
            limit = BATCH_TOLERANCE * np.abs(expected).max()
            np.testing.assert_allclose(found, expected, rtol=0, atol=limit)
            nearby = float(1e-4 * np.abs(logits).max())
            assert target.score.logit == pytest.approx(logits[target.score.index], abs=nearby)
    assert explained[0].targets[1].score == explained[0].top[0]


def test_the_preprocessing_equals_that_of_keras(explainer: KerasExplainer) -> None:
    pixels = IMAGES[0]
    expected = keras.applications.vgg16.preprocess_input(pixels.astype(np.float32))
    found = preprocess(pixels, VggPreprocessing(kind="vgg16"))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def whole_network(
    model: keras.Model, pixels: np.ndarray, target: int
) -> tuple[np.ndarray, np.ndarray]:
    """Run every layer in turn under one tape, as the classic recipe does."""
    hidden = tf.constant(pixels[None])
    with tf.GradientTape() as tape:
        for layer in model.layers[1:]:
            hidden = layer(hidden)
            if layer.name == "block5_conv3":
                activation = hidden
                tape.watch(activation)
        score = hidden[0, target]
    gradient = tape.gradient(score, activation)[0].numpy()
    weights = gradient.mean(axis=(0, 1))
    return (weights * activation[0].numpy()).sum(axis=-1), hidden[0].numpy()
