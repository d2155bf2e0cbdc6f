"""Networks that compute the same have the same maps, however they are written."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import networks
from seewhy.errors import UnsupportedModel
from seewhy_worker.models.splitting.split_model import split

SIDE = networks.SIDE_PX


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            networks.image_input(),
            networks.conv(6, "conv1", 1),
            networks.conv(4, "conv2", 2),
            layers.Flatten(),
            networks.dense(8, "fc", 3, "relu"),
            networks.dense(networks.CLASSES, "scores", 4),
        ]
    )


def nested() -> keras.Model:
    image = networks.image_input()
    return keras.Model(
        image, networks.add_classifier(networks.backbone()(image, training=False), "softmax")
    )


def nested_twice() -> keras.Model:
    image = networks.image_input()
    inner = networks.backbone("inner")
    outer = keras.Model(inner.input, layers.Dropout(0.5)(inner.output), name="unused")
    around = networks.image_input()
    middle = keras.Model(around, outer(around), name="outer")
    return keras.Model(image, networks.add_classifier(middle(image)))


def nested_sequential() -> keras.Model:
    head = keras.Sequential(
        [
            layers.Flatten(),
            networks.dense(8, "fc", 3, "relu"),
            networks.dense(networks.CLASSES, "scores", 4, "softmax"),
        ],
        name="head",
    )
    return keras.Sequential([networks.image_input(), networks.backbone(), head])


def wrapped_whole() -> keras.Model:
    image = networks.image_input()
    return keras.Model(image, networks.two_layer_cnn("fused softmax")(image))


def open_backbone() -> keras.Model:
    image = keras.Input((None, None, 3))
    hidden = networks.conv(6, "conv1", 1)(image)
    inner = keras.Model(image, networks.conv(4, "conv2", 2)(hidden), name="backbone")
    outer = networks.image_input()
    return keras.Model(outer, networks.add_classifier(inner(outer)))


def training_mode_left_on() -> keras.Model:
    image = networks.image_input()
    hidden = layers.Dropout(0.9)(networks.backbone()(image), training=True)
    return keras.Model(image, networks.add_classifier(hidden))


def ending_in_float32() -> keras.Model:
    image = networks.image_input()
    scores = networks.add_classifier(networks.backbone()(image), "softmax")
    return keras.Model(image, layers.Activation("linear", dtype="float32")(scores))


def fully_convolutional() -> keras.Model:
    """The dense layers written as convolutions, the softmax fused into the last of them."""
    image = networks.image_input()
    fc = layers.Conv2D(8, 8, activation="relu", name="fc")
    scores = layers.Conv2D(networks.CLASSES, 1, activation="softmax", name="scores")
    hidden = layers.Reshape((networks.CLASSES,))(scores(fc(networks.backbone()(image))))
    plain = networks.two_layer_cnn()
    for layer, shape in ((fc, (8, 8, 4, 8)), (scores, (1, 1, 8, networks.CLASSES))):
        kernel, bias = plain.get_layer(layer.name).get_weights()
        layer.set_weights([kernel.reshape(shape), bias])
    return keras.Model(image, hidden)


@pytest.mark.parametrize(
    ("build", "layer"),
    [
        (sequential, "conv2"),
        (nested, "backbone/conv2"),
        (nested_twice, "outer/unused/dropout"),
        (nested_sequential, "backbone/conv2"),
        (wrapped_whole, "small/conv2"),
        (open_backbone, "backbone/conv2"),
        (training_mode_left_on, "dropout"),
        (ending_in_float32, "backbone/conv2"),
        (fully_convolutional, "backbone/conv2"),
    ],
)
def test_a_network_has_the_maps_of_an_equivalent_plain_network(
    build: Callable[[], keras.Model], layer: str, tmp_path: Path
) -> None:
    keras.utils.clear_session()
    model = build()
    assert split(model).layer == layer
    networks.assert_same_maps(
        networks.explain_images(model, tmp_path),
        networks.explain_images(networks.two_layer_cnn(), tmp_path),
    )


def test_flattening_does_not_change_a_nested_model() -> None:
    model = nested()
    config, nodes = model.get_config(), len(model.get_layer("backbone").layers[1]._inbound_nodes)
    split(model)
    assert model.get_config() == config
    assert len(model.get_layer("backbone").layers[1]._inbound_nodes) == nodes


def test_body_and_head_share_the_weights_of_a_nested_model() -> None:
    model = nested()
    split_model = split(model, "conv1")
    pixels = np.ones((1, SIDE, SIDE, 3), np.float32)
    before = np.asarray(split_model.head(split_model.body(pixels)))
    kernel = model.get_layer("backbone").get_layer("conv2").kernel
    kernel.assign(kernel * 2)
    assert np.abs(np.asarray(split_model.head(split_model.body(pixels))) - before).max() > 0.1


def test_a_frozen_backbone_with_a_pooled_head_is_explained_at_its_last_layer(
    tmp_path: Path,
) -> None:
    def headed(hidden: keras.KerasTensor) -> keras.KerasTensor:
        return networks.dense(3, "scores", 6, "softmax")(layers.GlobalAveragePooling2D()(hidden))

    frozen = networks.backbone()
    frozen.trainable = False
    image = networks.image_input()
    tuned = keras.Model(image, headed(frozen(image)))
    plain = networks.backbone()
    flat = keras.Model(plain.input, headed(plain.output))
    targets = (0, 1, 2)
    found = networks.explain_images(tuned, tmp_path, targets=targets)
    networks.assert_same_maps(found, networks.explain_images(flat, tmp_path, targets=targets))
    assert split(tuned).layer == "backbone/conv2"


def test_normalization_layers_before_the_first_convolution_are_no_candidates(
    tmp_path: Path,
) -> None:
    image = networks.image_input()
    scaled = layers.Rescaling(2.0, offset=-1.0)(layers.RandomFlip()(image))
    normalized = layers.Normalization(mean=[-1.0, -1.0, -1.0], variance=[4.0, 4.0, 4.0])(scaled)
    model = keras.Model(image, networks.add_classifier(networks.backbone()(normalized)))
    paths = [candidate.path for candidate in split(model).candidates]
    assert paths == ["backbone/conv1", "backbone/conv2"]
    networks.assert_same_maps(
        networks.explain_images(model, tmp_path),
        networks.explain_images(networks.two_layer_cnn(), tmp_path),
    )


def test_a_network_without_spatial_kernels_is_refused() -> None:
    image = networks.image_input()
    pixels = layers.MaxPooling2D()(layers.Rescaling(1 / 255)(image))
    with pytest.raises(UnsupportedModel, match=r"no layer with a spatial output.*convolutions"):
        split(keras.Model(image, networks.add_classifier(pixels)))


def shared(layer: layers.Layer, again: layers.Layer) -> keras.Model:
    image = networks.image_input()
    entry = networks.conv(4, "entry", 1)(image)
    return keras.Model(image, networks.add_classifier(again(layer(entry))))


def test_each_call_of_a_shared_layer_is_a_candidate(tmp_path: Path) -> None:
    layer = layers.Conv2D(
        4, 3, padding="same", name="twice", kernel_initializer=networks.seeded_initializer(2)
    )
    model = shared(layer, layer)
    copy = layers.Conv2D(4, 3, padding="same", name="again")
    copy.build((None, 10, 10, 4))
    copy.set_weights(layer.get_weights())
    flat = shared(layer, copy)
    assert split(model).layer == "twice#2"
    networks.assert_same_maps(
        networks.explain_images(model, tmp_path), networks.explain_images(flat, tmp_path)
    )
    first = networks.explain_images(model, tmp_path, layer="twice")
    networks.assert_same_maps(first, networks.explain_images(flat, tmp_path, layer="twice"))


def residual_and_depthwise(image: keras.KerasTensor) -> keras.KerasTensor:
    entry = layers.Conv2D(
        6, 3, padding="same", name="entry", kernel_initializer=networks.seeded_initializer(1)
    )(image)
    deep = layers.DepthwiseConv2D(
        3, padding="same", name="deep", depthwise_initializer=networks.seeded_initializer(2)
    )(entry)
    deep = layers.BatchNormalization(name="norm")(deep)
    wide = layers.SeparableConv2D(
        6, 3, padding="same", name="wide", pointwise_initializer=networks.seeded_initializer(3),
        depthwise_initializer=networks.seeded_initializer(5),
    )(layers.ReLU(6.0, name="relu6")(deep))  # fmt: skip
    gate = networks.dense(6, "gate", 7, "sigmoid")(
        layers.GlobalAveragePooling2D(name="squeeze")(wide)
    )
    gated = layers.Multiply(name="excite")([wide, layers.Reshape((1, 1, 6), name="gates")(gate)])
    return layers.Add(name="sum")([entry, gated])


def test_a_nested_residual_network_has_the_maps_of_the_flat_one(tmp_path: Path) -> None:
    flat_input, inner_input, image = (networks.image_input() for _ in range(3))
    flat = keras.Model(flat_input, networks.add_classifier(residual_and_depthwise(flat_input)))
    inner = keras.Model(inner_input, residual_and_depthwise(inner_input), name="backbone")
    model = keras.Model(image, networks.add_classifier(inner(image)))
    assert split(model).layer == "backbone/sum"
    for layer in (None, "deep"):
        networks.assert_same_maps(
            networks.explain_images(model, tmp_path, layer=layer),
            networks.explain_images(flat, tmp_path, layer=layer),
        )


def test_the_last_layer_that_every_path_passes_through_is_chosen() -> None:
    image = networks.image_input()
    entry = networks.conv(4, "entry", 1)(image)
    side = networks.conv(4, "side", 2)(entry)
    pooled = [layers.GlobalAveragePooling2D()(one) for one in (entry, side)]
    model = keras.Model(image, networks.dense(2, "scores", 3)(layers.Concatenate()(pooled)))
    assert split(model).layer == "entry"


def test_a_layer_is_named_by_its_path_or_an_unambiguous_end_of_it() -> None:
    image = networks.image_input()
    hidden = layers.ZeroPadding2D(2)(networks.backbone("left")(image))
    narrow = layers.Conv2D(3, 1, name="narrow")(hidden)
    model = keras.Model(image, networks.add_classifier(networks.backbone("right")(narrow)))
    assert split(model, "left/conv1").layer == "left/conv1"
    assert split(model, "narrow").layer == "narrow"
    with pytest.raises(UnsupportedModel, match="ambiguous: use one of left/conv2, right/con"):
        split(model, "conv2")
