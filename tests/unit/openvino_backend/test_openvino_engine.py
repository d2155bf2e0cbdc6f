"""An explainer whose activations OpenVINO computes has the maps of one that runs on TensorFlow."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import networks
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.models.splitting.split_model import split
from seewhy_worker.openvino_backend import compiled_model
from seewhy_worker.openvino_backend.compiled_model import supports_bfloat16
from seewhy_worker.openvino_backend.failures import ConversionFailed
from seewhy_worker.openvino_backend.openvino_engine import OpenVinoEngine


def bypassed() -> keras.Model:
    """Build a network whose last convolution has a way around it."""
    image = networks.image_input()
    hidden = networks.conv(4, "conv1", 1)(image)
    deeper = layers.Conv2D(
        4, 3, padding="same", name="conv2", kernel_initializer=networks.seeded_initializer(2)
    )(hidden)
    hidden = layers.ReLU(name="sum_relu")(layers.Add()([hidden, deeper]))
    return keras.Model(image, networks.add_classifier(hidden))


def explain(engine: EngineChoice, folder: Path, *, count: int = 3) -> list[ImageExplanation]:
    """Explain images at several layers, and one of them by the scores of masked images."""
    explainer = KerasExplainer(
        spec=networks.make_spec(folder, layers=("conv1", "conv2")),
        model=split(bypassed()),
        max_batch=4,
    )
    explainer.choose_engine(engine)
    assert explainer.engine.startswith(engine.split("-")[0])
    images = [explainer.prepare(image) for image in networks.random_images(count)]
    options = [
        MethodOptions(),
        MethodOptions(layers=("conv1",)),
        MethodOptions(layers=("conv2",)),
        MethodOptions(method="scorecam"),
        MethodOptions(method="ablationcam", trust=True),
        MethodOptions(method="guided-backprop"),
    ]
    tasks = [ExplanationTask.create(image, (0, -1), one) for image in images for one in options]
    explanations = explainer.explain(tasks)
    expected = explainer.probabilities(np.stack([image.pixels for image in images]))
    for row, explanation in zip(expected, explanations[:: len(options)], strict=True):
        assert explanation.top[0].probability == pytest.approx(row.max(), rel=1e-4)
    return explanations


@pytest.mark.parametrize("fixed_bytes", [0, 10**9])
def test_all_methods_have_the_maps_of_tensorflow(
    fixed_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_model, "FIXED_BATCH_BYTES", fixed_bytes)

    networks.assert_same_maps(explain("openvino", tmp_path), explain("tensorflow", tmp_path))


@pytest.mark.skipif(not supports_bfloat16(), reason="this processor does not compute in bfloat16")
def test_maps_in_bfloat16_are_close_to_those_of_tensorflow(tmp_path: Path) -> None:
    found = explain("openvino-bfloat16", tmp_path, count=1)
    expected = explain("tensorflow", tmp_path, count=1)

    correlations = [
        np.corrcoef(one.maps[0].ravel(), other.maps[0].ravel())[0, 1]
        for one, other in zip(found[:3], expected[:3], strict=True)
    ]
    assert min(correlations) > 0.99
    assert not np.array_equal(found[0].maps, expected[0].maps)


def test_a_network_for_one_batch_size_only_is_not_converted() -> None:
    image = networks.image_input()
    hidden = layers.Lambda(lambda tensor: tf.reshape(tensor, (2, 12, 12, 3)))(image)
    model = split(keras.Model(image, networks.add_classifier(networks.conv(4, "conv", 1)(hidden))))

    with pytest.raises(ConversionFailed, match="incompatible with input shape"):
        OpenVinoEngine().body(model, batch=4)
