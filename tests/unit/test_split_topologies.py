"""However a network is written, it is explained as the plain one that computes the same."""

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
            networks.picture_input(),
            networks.conv(6, "conv1", 1),
            networks.conv(4, "conv2", 2),
            layers.Flatten(),
            networks.dense(8, "fc", 3, "relu"),
            networks.dense(networks.CLASSES, "scores", 4),
        ]
    )


def nested() -> keras.Model:
    picture = networks.picture_input()
    return keras.Model(
        picture, networks.classified(networks.backbone()(picture, training=False), "softmax")
    )


def nested_twice() -> keras.Model:
    picture = networks.picture_input()
    inner = networks.backbone("inner")
    outer = keras.Model(inner.input, layers.Dropout(0.5)(inner.output), name="unused")
    around = networks.picture_input()
    middle = keras.Model(around, outer(around), name="outer")
    return keras.Model(picture, networks.classified(middle(picture)))


def nested_sequential() -> keras.Model:
    head = keras.Sequential(
        [
            layers.Flatten(),
            networks.dense(8, "fc", 3, "relu"),
            networks.dense(networks.CLASSES, "scores", 4, "softmax"),
        ],
        name="head",
    )
    return keras.Sequential([networks.picture_input(), networks.backbone(), head])


def wrapped_whole() -> keras.Model:
    picture = networks.picture_input()
    return keras.Model(picture, networks.two_layer_cnn("fused softmax")(picture))


def open_backbone() -> keras.Model:
    picture = keras.Input((None, None, 3))
    hidden = networks.conv(6, "conv1", 1)(picture)
    inner = keras.Model(picture, networks.conv(4, "conv2", 2)(hidden), name="backbone")
    outer = networks.picture_input()
    return keras.Model(outer, networks.classified(inner(outer)))


def training_mode_left_on() -> keras.Model:
    picture = networks.picture_input()
    hidden = layers.Dropout(0.9)(networks.backbone()(picture), training=True)
    return keras.Model(picture, networks.classified(hidden))


def ending_in_float32() -> keras.Model:
    picture = networks.picture_input()
    scores = networks.classified(networks.backbone()(picture), "softmax")
    return keras.Model(picture, layers.Activation("linear", dtype="float32")(scores))


def fully_convolutional() -> keras.Model:
    """The dense layers written as convolutions, the softmax fused into the last of them."""
    picture = networks.picture_input()
    fc = layers.Conv2D(8, 8, activation="relu", name="fc")
    scores = layers.Conv2D(networks.CLASSES, 1, activation="softmax", name="scores")
    hidden = layers.Reshape((networks.CLASSES,))(scores(fc(networks.backbone()(picture))))
    plain = networks.two_layer_cnn()
    for layer, shape in ((fc, (8, 8, 4, 8)), (scores, (1, 1, 8, networks.CLASSES))):
        kernel, bias = plain.get_layer(layer.name).get_weights()
        layer.set_weights([kernel.reshape(shape), bias])
    return keras.Model(picture, hidden)


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
def test_a_network_written_differently_has_the_map_of_the_plain_one(
    build: Callable[[], keras.Model], layer: str, tmp_path: Path
) -> None:
    keras.utils.clear_session()
    model = build()
    assert split(model).layer == layer
    networks.assert_same_maps(
        networks.explained(model, tmp_path), networks.explained(networks.two_layer_cnn(), tmp_path)
    )


def test_flattening_leaves_a_nested_model_as_it_was() -> None:
    model = nested()
    config, nodes = model.get_config(), len(model.get_layer("backbone").layers[1]._inbound_nodes)
    split(model)
    assert model.get_config() == config
    assert len(model.get_layer("backbone").layers[1]._inbound_nodes) == nodes


def test_the_parts_of_a_nested_model_share_its_weights() -> None:
    model = nested()
    parts = split(model, "conv1")
    pixels = np.ones((1, SIDE, SIDE, 3), np.float32)
    before = np.asarray(parts.head(parts.body(pixels)))
    kernel = model.get_layer("backbone").get_layer("conv2").kernel
    kernel.assign(kernel * 2)
    assert np.abs(np.asarray(parts.head(parts.body(pixels))) - before).max() > 0.1


def test_a_frozen_backbone_with_a_pooled_head_is_explained_at_its_last_layer(
    tmp_path: Path,
) -> None:
    def headed(hidden: keras.KerasTensor) -> keras.KerasTensor:
        return networks.dense(3, "scores", 6, "softmax")(layers.GlobalAveragePooling2D()(hidden))

    frozen = networks.backbone()
    frozen.trainable = False
    picture = networks.picture_input()
    tuned = keras.Model(picture, headed(frozen(picture)))
    plain = networks.backbone()
    flat = keras.Model(plain.input, headed(plain.output))
    targets = (0, 1, 2)
    found = networks.explained(tuned, tmp_path, targets=targets)
    networks.assert_same_maps(found, networks.explained(flat, tmp_path, targets=targets))
    assert split(tuned).layer == "backbone/conv2"


def test_normalisation_within_the_model_is_no_layer_to_explain(tmp_path: Path) -> None:
    picture = networks.picture_input()
    scaled = layers.Rescaling(2.0, offset=-1.0)(layers.RandomFlip()(picture))
    normalised = layers.Normalization(mean=[-1.0, -1.0, -1.0], variance=[4.0, 4.0, 4.0])(scaled)
    model = keras.Model(picture, networks.classified(networks.backbone()(normalised)))
    paths = [candidate.path for candidate in split(model).candidates]
    assert paths == ["backbone/conv1", "backbone/conv2"]
    networks.assert_same_maps(
        networks.explained(model, tmp_path), networks.explained(networks.two_layer_cnn(), tmp_path)
    )


def test_without_a_layer_that_has_learned_there_is_nothing_to_explain() -> None:
    picture = networks.picture_input()
    pixels = layers.MaxPooling2D()(layers.Rescaling(1 / 255)(picture))
    with pytest.raises(UnsupportedModel, match=r"no layer with a spatial output.*convolutions"):
        split(keras.Model(picture, networks.classified(pixels)))


def shared(layer: layers.Layer, again: layers.Layer) -> keras.Model:
    picture = networks.picture_input()
    entry = networks.conv(4, "entry", 1)(picture)
    return keras.Model(picture, networks.classified(again(layer(entry))))


def test_a_shared_layer_is_explained_where_it_was_called(tmp_path: Path) -> None:
    layer = layers.Conv2D(4, 3, padding="same", name="twice", kernel_initializer=networks.drawn(2))
    model = shared(layer, layer)
    copy = layers.Conv2D(4, 3, padding="same", name="again")
    copy.build((None, 10, 10, 4))
    copy.set_weights(layer.get_weights())
    flat = shared(layer, copy)
    assert split(model).layer == "twice#2"
    networks.assert_same_maps(
        networks.explained(model, tmp_path), networks.explained(flat, tmp_path)
    )
    first = networks.explained(model, tmp_path, layer="twice")
    networks.assert_same_maps(first, networks.explained(flat, tmp_path, layer="twice"))


def test_a_shared_backbone_seen_by_two_eyes_is_refused_at_either() -> None:
    picture = networks.picture_input()
    both = networks.backbone()
    joined = layers.Concatenate()(
        [
            layers.GlobalAveragePooling2D()(both(picture)),
            layers.GlobalAveragePooling2D()(both(layers.RandomFlip()(picture))),
        ]
    )
    with pytest.raises(UnsupportedModel, match="bypasses it"):
        split(keras.Model(picture, networks.dense(2, "scores", 1)(joined)))


def residual_and_depthwise(picture: keras.KerasTensor) -> keras.KerasTensor:
    entry = layers.Conv2D(6, 3, padding="same", name="entry", kernel_initializer=networks.drawn(1))(
        picture
    )
    deep = layers.DepthwiseConv2D(
        3, padding="same", name="deep", depthwise_initializer=networks.drawn(2)
    )(entry)
    deep = layers.BatchNormalization(name="norm")(deep)
    wide = layers.SeparableConv2D(
        6, 3, padding="same", name="wide", pointwise_initializer=networks.drawn(3),
        depthwise_initializer=networks.drawn(5),
    )(layers.ReLU(6.0, name="relu6")(deep))  # fmt: skip
    gate = networks.dense(6, "gate", 7, "sigmoid")(
        layers.GlobalAveragePooling2D(name="squeeze")(wide)
    )
    gated = layers.Multiply(name="excite")([wide, layers.Reshape((1, 1, 6), name="gates")(gate)])
    return layers.Add(name="sum")([entry, gated])


def test_a_residual_depthwise_network_is_explained_nested_as_flat(tmp_path: Path) -> None:
    flat_input, inner_input, picture = (networks.picture_input() for _ in range(3))
    flat = keras.Model(flat_input, networks.classified(residual_and_depthwise(flat_input)))
    inner = keras.Model(inner_input, residual_and_depthwise(inner_input), name="backbone")
    model = keras.Model(picture, networks.classified(inner(picture)))
    assert split(model).layer == "backbone/sum"
    networks.assert_same_maps(
        networks.explained(model, tmp_path), networks.explained(flat, tmp_path)
    )
    with pytest.raises(UnsupportedModel, match="bypasses it"):
        split(model, "deep")


def test_the_last_layer_that_everything_passes_through_is_chosen() -> None:
    picture = networks.picture_input()
    entry = networks.conv(4, "entry", 1)(picture)
    side = networks.conv(4, "side", 2)(entry)
    pooled = [layers.GlobalAveragePooling2D()(one) for one in (entry, side)]
    model = keras.Model(picture, networks.dense(2, "scores", 3)(layers.Concatenate()(pooled)))
    assert split(model).layer == "entry"


def test_a_layer_is_named_by_its_path_or_by_an_unambiguous_end_of_it() -> None:
    picture = networks.picture_input()
    hidden = layers.ZeroPadding2D(2)(networks.backbone("left")(picture))
    narrow = layers.Conv2D(3, 1, name="narrow")(hidden)
    model = keras.Model(picture, networks.classified(networks.backbone("right")(narrow)))
    assert split(model, "left/conv1").layer == "left/conv1"
    assert split(model, "narrow").layer == "narrow"
    with pytest.raises(UnsupportedModel, match="ambiguous: use one of left/conv2, right/con"):
        split(model, "conv2")
