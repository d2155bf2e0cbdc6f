"""New heads on frozen bodies: the explained activation stays that of the base."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import networks
from seewhy_worker.models import heads
from seewhy_worker.models.loading import load_file
from seewhy_worker.models.splitting.split_model import split
from seewhy_worker.training.regression import LinearHead

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PIXELS = np.random.default_rng(0).standard_normal((3, 12, 12, 3)).astype(np.float32)


def nested() -> keras.Model:
    image = networks.image_input()
    scaled = layers.Rescaling(2.0, name="conv1")(image)
    hidden = networks.backbone()(scaled)
    return keras.Model(image, networks.add_classifier(hidden, "softmax"))


def twice_nested() -> keras.Model:
    """Two models with a layer of the same name, which is also one of the new head's."""

    def block(shape: tuple[int, ...], seed: int) -> keras.Model:
        image = keras.Input(shape)
        return keras.Model(image, networks.conv(4, "scores", seed)(image), name=f"block{seed}")

    image = networks.image_input()
    hidden = block((10, 10, 4), 2)(block((12, 12, 3), 1)(image))
    return keras.Model(image, layers.Dense(5, name="fc")(layers.Flatten()(hidden)))


def shared() -> keras.Model:
    image = networks.image_input()
    conv = layers.Conv2D(
        3, 3, activation="relu", kernel_initializer=networks.seeded_initializer(1), name="conv"
    )
    hidden = keras.ops.relu(conv(conv(image)) - 0.1)
    return keras.Model(image, networks.add_classifier(hidden))


def augmented() -> keras.Model:
    image = networks.image_input()
    steps = [layers.RandomFlip(), layers.Dropout(0.5), networks.conv(4, "conv", 3)]
    hidden = keras.Sequential(steps, name="steps")(image, training=True)
    return keras.Model(image, networks.add_classifier(layers.BatchNormalization()(hidden)))


def channels_first() -> keras.Model:
    image = keras.Input((3, 12, 12))
    conv = layers.Conv2D(
        4,
        3,
        data_format="channels_first",
        kernel_initializer=networks.seeded_initializer(1),
        name="conv",
    )
    return keras.Model(image, networks.add_classifier(conv(image)))


def head_for(channels: int) -> LinearHead:
    generator = np.random.default_rng(1)
    kernel = generator.standard_normal((channels, 3)).astype(np.float32)
    return LinearHead(kernel, np.array([0.5, -1, 0], np.float32))


def fitted(base: keras.Model, path: Path, layer: str | None = None) -> keras.Model:
    network = heads.build_feature_extractor(base, split(base, layer))
    head = head_for(network.output.shape[-1])
    heads.save_model(heads.attach_head(network, head.kernel, head.bias), path)
    return load_file(path)


@pytest.mark.parametrize(
    "build", [networks.two_layer_cnn, nested, twice_nested, shared, augmented, channels_first]
)
def test_the_saved_model_explains_the_same_activation(
    build: Callable[[], keras.Model], tmp_path: Path
) -> None:
    split_model = split(build())
    expected = np.asarray(split_model.body(PIXELS)[0])
    model = fitted(build(), tmp_path / "model.keras")
    found = split(model)
    np.testing.assert_array_equal(np.asarray(found.body(PIXELS)[0]), expected)
    assert (found.map_shape, found.classes) == (split_model.map_shape, 3)
    assert (found.removed_activation, found.probability_function) == ("softmax", "softmax")
    head = head_for(expected.shape[-1])
    logits = np.asarray(found.head(found.body(PIXELS)))
    np.testing.assert_allclose(
        logits, head.logits(expected.mean(axis=(1, 2))), rtol=1e-4, atol=1e-5
    )


def test_the_body_ends_at_the_named_layer_which_is_renamed_if_its_name_is_taken(
    tmp_path: Path,
) -> None:
    found = split(fitted(nested(), tmp_path / "model.keras", "backbone/conv1"))
    # The scaling outside the backbone has the name already.
    assert found.layer == "conv1_2"
    expected = split(nested(), "backbone/conv1").body(PIXELS)[0]
    np.testing.assert_array_equal(np.asarray(found.body(PIXELS)[0]), np.asarray(expected))


def test_a_fitted_model_can_be_the_base_of_another(tmp_path: Path) -> None:
    model = networks.two_layer_cnn()
    for name in ("first", "second", "third"):
        # A new process would reuse the same layer names.
        keras.utils.clear_session(free_memory=False)
        model = fitted(model, tmp_path / f"{name}.keras")
    third = split(model)
    assert third.layer == "conv2"
    expected = split(networks.two_layer_cnn()).body(PIXELS)[0]
    np.testing.assert_array_equal(np.asarray(third.body(PIXELS)[0]), np.asarray(expected))


def test_grad_cam_is_the_cam_of_zhou_et_al(tmp_path: Path) -> None:
    model = fitted(networks.two_layer_cnn(), tmp_path / "model.keras")
    split_model, kernel = split(model), head_for(4).kernel
    explainer = networks.make_explainer(model, tmp_path)
    images = [explainer.prepare(image) for image in networks.random_images(3, seed=4)]
    activation = np.asarray(split_model.body(np.stack([image.pixels for image in images]))[0])
    expected = np.moveaxis(activation @ kernel, -1, 1) / activation[0, :, :, 0].size
    found = networks.explain_images(model, tmp_path, targets=(0, 1, 2))
    np.testing.assert_allclose([one.maps for one in found], expected, atol=1e-6)


def test_features_are_the_mean_of_the_activation_over_space() -> None:
    base = networks.two_layer_cnn()
    activation = keras.Model(base.input, base.get_layer("conv2").output)(PIXELS)
    network = heads.build_feature_extractor(base, split(base))
    found = heads.predict_features(network, PIXELS)
    np.testing.assert_allclose(found, np.asarray(activation).mean(axis=(1, 2)), rtol=1e-5)
    assert found.dtype == np.float32


def test_mixed_precision_gives_float32_features(tmp_path: Path) -> None:
    image = networks.image_input()
    conv = layers.Conv2D(
        4, 3, dtype="mixed_float16", kernel_initializer=networks.seeded_initializer(1)
    )
    base = keras.Model(image, layers.Dense(2)(layers.Flatten()(conv(image))))
    network = heads.build_feature_extractor(base, split(base))
    assert heads.predict_features(network, PIXELS).dtype == np.float32
    assert network.output.dtype == "float32"
