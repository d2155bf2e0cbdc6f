"""Every family of `keras.applications` is explained, as it stands and nested under a head."""

import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from keras.src.applications import convnext, inception_resnet_v2

import networks
from seewhy.catalog.model_spec import InputSize
from seewhy.schemas.result import Verdict
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.models.inspection.allowed_classes import is_allowed
from seewhy_worker.models.loading import load_file
from seewhy_worker.models.splitting.split_model import split

SIDE_PX = 107
"""The networks of the Inception family need 75 px, and here their last layer has several cells."""
SMALLEST = {
    "ConvNeXtTiny": "layer_normalization",
    "DenseNet121": "relu",
    "EfficientNetB0": "top_activation",
    "EfficientNetV2B0": "top_activation",
    "MobileNet": "conv_pw_13_relu",
    "MobileNetV2": "out_relu",
    "MobileNetV3Small": "activation",
    "ResNet50": "conv5_block3_out",
    "ResNet50V2": "post_relu",
    "VGG16": "block5_conv3",
    "Xception": "block14_sepconv2_act",
}
"""The smallest of the families that take seconds, and the layer that is chosen."""
ALL = [name for name in dir(keras.applications) if name[0].isupper()]
TESTS_ALL = "TEST_ALL_APPLICATIONS" in os.environ
CASES = [
    pytest.param(name, nested, id=f"{name}-{'nested' if nested else 'whole'}")
    for name in (ALL if TESTS_ALL else SMALLEST)
    for nested in ((False, True) if TESTS_ALL else (True,))
]
CHAOTIC = "EfficientNetV2M"
"""With random weights, a change of its input by 1e-7 changes its logits by as much as they are, so
what Keras computes differs with and without compilation."""
MEMORY_BYTES = 20 * 10**9
"""The largest has 350 million weights."""


def build(name: str, *, nested: bool) -> keras.Model:
    """Build an architecture with random weights, seven classes and its own head or a new one."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    make = getattr(keras.applications, name)
    shape = (SIDE_PX, SIDE_PX, 3)
    if not nested:
        return make(weights=None, classes=7, input_shape=shape)
    image = keras.Input(shape)
    features = make(weights=None, include_top=False, input_shape=shape)(image)
    pooled = layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, layers.Dense(7, "softmax")(pooled))


# Keras saves variables through TensorFlow's `__array__`, which NumPy warns about.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(("name", "nested"), CASES)
def test_an_architecture_of_keras_is_explained(name: str, nested: bool, tmp_path: Path) -> None:
    model = build(name, nested=nested)
    pixels = np.random.default_rng(0).normal(size=(1, SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    expected = np.asarray(model(pixels, training=False))
    model.save(tmp_path / "model.keras")
    split_model = split(load_file(tmp_path / "model.keras", memory_bytes=MEMORY_BYTES))
    (tmp_path / "model.keras").unlink()  # the largest would fill the disk
    size = InputSize(height_px=SIDE_PX, width_px=SIDE_PX)
    spec = networks.make_spec(tmp_path, classes=7, input=size)
    explainer = KerasExplainer(spec=spec, model=split_model, max_batch=1)
    image = networks.random_images(1)[0]
    (found,) = explainer.explain([ExplanationTask.create(explainer.prepare(image), (-1,))])
    assert found.targets[0].verdict is Verdict.OK
    last = found.layer.rpartition("/")[2]
    assert re.fullmatch(SMALLEST.get(name, ".+") + r"(_\d+)?", last), found.layer
    if name != CHAOTIC:
        np.testing.assert_allclose(explainer.probabilities(pixels), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layers_that_only_keras_applications_have_are_known_by_name(
    suffix: str, tmp_path: Path
) -> None:
    image = networks.image_input()
    entry = networks.conv(4, "entry", 1)(image)
    scaled = convnext.LayerScale(0.5, 4, name="scale")(entry)
    dropped = convnext.StochasticDepth(0.3, name="depth")(scaled)
    total = inception_resnet_v2.CustomScaleLayer(0.2, name="sum")([entry, dropped])
    model = keras.Model(image, networks.add_classifier(total))
    model.save(tmp_path / f"model{suffix}")
    loaded = split(load_file(tmp_path / f"model{suffix}"))
    assert loaded.layer == "sum"
    pixels = np.random.default_rng(0).normal(size=(2, 12, 12, 3)).astype(np.float32)
    expected = model(pixels, training=False)
    np.testing.assert_allclose(loaded.head(loaded.body(pixels)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_convnext_is_loaded_from_an_hdf5_file(tmp_path: Path) -> None:
    shape = (32, 32, 3)
    # The constructor of all variants: the smallest that Keras names has 28 million weights.
    model = convnext.ConvNeXt(
        depths=[1, 1, 1, 1],
        projection_dims=[4, 4, 8, 8],
        drop_path_rate=0.1,
        layer_scale_init_value=0.5,
        weights=None,
        classes=7,
        input_shape=shape,
        name="small",
    )
    model.save(tmp_path / "model.h5")
    loaded = load_file(tmp_path / "model.h5")
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.float32)
    expected = np.asarray(model(pixels, training=False))
    assert np.ptp(expected[0]) > 0.01
    np.testing.assert_allclose(loaded(pixels, training=False), expected, rtol=1e-5, atol=1e-6)


def test_a_class_of_another_name_in_their_modules_is_refused() -> None:
    assert is_allowed("LayerScale", "keras.src.applications.convnext")
    assert not is_allowed("Functional", "keras.src.applications.convnext")
    assert not is_allowed("CustomScaleLayer", "keras.src.applications.convnext")
    assert not is_allowed("LayerScale", "keras.src.applications.convnext_tiny")
