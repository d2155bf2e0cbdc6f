"""The default target layer."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import networks
from seewhy_worker.models import heads
from seewhy_worker.models.loading import load_file
from seewhy_worker.models.splitting.split_model import split

POOLING_REASON = (
    "it is the last layer at the highest resolution, {} x {}, that is followed only by pooling, "
    "activation, dropout and dense layers"
)
BOTTLENECK_REASON = (
    "it is the last layer that every path from the input to the scores passes through"
)


def sequential(*after_input: layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((12, 12, 3)), *after_input])


def conv(name: str = "conv", activation: str | None = "relu") -> layers.Layer:
    return layers.Conv2D(4, 3, padding="same", activation=activation, name=name)


def dense_head() -> Sequence[layers.Layer]:
    return (
        layers.Flatten(name="flatten"),
        layers.Dense(8, "relu", name="fc"),
        layers.BatchNormalization(name="fc_norm"),
        layers.Dropout(0.5, name="fc_dropout"),
        layers.Dense(3, "softmax", name="scores"),
    )


def vgg_like_backbone() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            conv("block1_conv1"),
            layers.MaxPooling2D(name="block1_pool"),
            conv("block2_conv1"),
            conv("block2_conv2"),
            layers.MaxPooling2D(name="block2_pool"),
        ],
        name="backbone",
    )


def test_vgg16_is_explained_at_block5_conv3() -> None:
    model = keras.applications.VGG16(weights=None, input_shape=(64, 64, 3), classes=3)
    found = split(model)
    assert (found.layer, found.map_shape) == ("block5_conv3", (4, 4))
    assert found.layer_reason == POOLING_REASON.format(4, 4)
    assert split(model, "block5_pool").layer_reason == "it is named explicitly"


def test_a_vgg_like_backbone_nested_under_a_head_is_explained_at_its_last_convolution() -> None:
    found = split(sequential(vgg_like_backbone(), *dense_head()))
    assert (found.layer, found.map_shape) == ("backbone/block2_conv2", (6, 6))


@pytest.mark.parametrize("pooling", [layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D])
def test_a_network_with_global_pooling_is_explained_at_its_last_layer(
    pooling: type[layers.Layer],
) -> None:
    model = sequential(conv("first"), conv("last"), pooling(), layers.Dense(3, name="scores"))
    assert split(model).layer == "last"


def test_the_activation_that_feeds_the_pooling_is_chosen_after_batch_normalization() -> None:
    model = sequential(
        conv("conv", activation=None),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.MaxPooling2D(name="pool"),
        *dense_head(),
    )
    found = split(model)
    assert (found.layer, found.map_shape) == ("relu", (12, 12))


def test_dropout_and_several_pooling_layers_before_the_head_do_not_matter() -> None:
    model = sequential(
        conv("conv"),
        layers.MaxPooling2D(name="pool1"),
        layers.SpatialDropout2D(0.2, name="dropout"),
        layers.AveragePooling2D(2, name="pool2"),
        *dense_head(),
    )
    assert split(model).layer == "conv"


@pytest.mark.parametrize(
    "layer",
    [
        layers.BatchNormalization(name="after"),
        layers.Conv2D(4, 1, name="after"),
        layers.UpSampling2D(name="after"),
    ],
)
def test_a_layer_that_changes_features_after_the_pooling_is_chosen(layer: layers.Layer) -> None:
    model = sequential(conv("conv"), layers.MaxPooling2D(name="pool"), layer, *dense_head())
    assert split(model).layer == "after"


def test_a_dense_head_written_as_convolutions_counts_as_a_head() -> None:
    model = sequential(
        conv("conv"),
        layers.MaxPooling2D(name="pool"),
        layers.Conv2D(8, 6, activation="relu", name="fc"),
        layers.Conv2D(3, 1, name="scores"),
        layers.Flatten(name="flatten"),
    )
    assert split(model).layer == "conv"


def test_a_residual_network_with_pooling_is_explained_at_the_sum() -> None:
    image = networks.image_input()
    entry = conv("entry")(image)
    total = layers.Add(name="sum")([entry, conv("inside")(entry)])
    hidden = layers.MaxPooling2D(name="pool")(total)
    for layer in dense_head():
        hidden = layer(hidden)
    assert split(keras.Model(image, hidden)).layer == "sum"


def test_a_bottleneck_before_parallel_branches_is_chosen_for_being_one() -> None:
    image = networks.image_input()
    entry = conv("entry")(image)
    branches = [
        layers.GlobalAveragePooling2D(name=f"pool{n}")(conv(f"branch{n}")(entry)) for n in (1, 2)
    ]
    joined = layers.Concatenate(name="join")(branches)
    found = split(keras.Model(image, layers.Dense(2, name="scores")(joined)))
    assert (found.layer, found.layer_reason) == ("entry", BOTTLENECK_REASON)


def backbone(name: str, filters: int, *, stride: int = 1) -> keras.Model:
    image = networks.image_input()
    features = layers.Conv2D(filters, 3, stride, padding="same", name="conv")(image)
    hidden = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(features))
    return keras.Model(image, layers.MaxPooling2D(name="pool")(hidden), name=name)


@pytest.mark.parametrize(
    ("left", "right", "chosen", "other", "cells", "channels"),
    [
        ((4, 2), (6, 1), "right/relu", "left/relu", "12 x 12", 6),
        ((6, 1), (4, 1), "left/relu", "right/relu", "12 x 12", 6),
    ],
)
def test_of_parallel_backbones_the_last_layer_of_the_finest_is_chosen(
    left: tuple[int, int],
    right: tuple[int, int],
    chosen: str,
    other: str,
    cells: str,
    channels: int,
) -> None:
    image = networks.image_input()
    means = [
        layers.GlobalAveragePooling2D()(backbone(name, filters, stride=stride)(image))
        for name, (filters, stride) in (("left", left), ("right", right))
    ]
    found = split(keras.Model(image, layers.Dense(2)(layers.Concatenate()(means))))
    assert found.layer == chosen
    assert found.layer_reason == (
        f"no layer is on every path from the input to the scores, and it has {cells} cells of "
        f"{channels} channels, the most of the layers that end a branch (the others: {other}; "
        "several layers can be named)"
    )


def test_the_only_branch_beside_another_input_is_not_compared_with_others() -> None:
    image, age = networks.image_input(), keras.Input((1,), name="age")
    mean = layers.GlobalAveragePooling2D()(conv("conv")(image))
    model = keras.Model([image, age], layers.Dense(2)(layers.Concatenate()([mean, age])))
    found = split(model, inputs={"age": (41.0,)})
    assert found.layer == "conv"
    assert found.layer_reason == (
        "no layer is on every path from the input to the scores, and it has 12 x 12 cells of 4 "
        "channels, and is the only layer that ends a branch"
    )


def test_branches_that_end_in_token_sequences_are_explained_before_them() -> None:
    image = networks.image_input()
    tokens = [layers.Reshape((-1, 4))(conv(name)(image)) for name in ("left", "right")]
    mixed = layers.Dense(4)(layers.Concatenate(axis=1)(tokens))
    scores = layers.Dense(2)(layers.GlobalAveragePooling1D()(mixed))
    found = split(keras.Model(image, scores))
    assert found.layer in {"left", "right"}
    assert "the most of the layers that end a branch" in found.layer_reason


def test_parallel_pooling_branches_share_the_layer_before_them() -> None:
    image = networks.image_input()
    hidden = conv("conv")(image)
    pooled = layers.MaxPooling2D(name="pool")(hidden)
    vectors = [
        layers.GlobalAveragePooling2D(name="mean")(pooled),
        layers.GlobalMaxPooling2D(name="max")(pooled),
    ]
    joined = layers.Concatenate(name="join")(vectors)
    assert split(keras.Model(image, layers.Dense(2, name="scores")(joined))).layer == "conv"


# Keras saves variables through TensorFlow's `__array__`, which NumPy warns about.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_head_trained_over_a_vgg_like_base_is_explained_at_the_last_convolution(
    tmp_path: Path,
) -> None:
    base = sequential(vgg_like_backbone(), *dense_head())
    pixels = np.random.default_rng(0).standard_normal((2, 12, 12, 3)).astype(np.float32)
    expected = np.asarray(split(base).body(pixels)[0])
    extractor = heads.build_feature_extractor(base, split(base))
    kernel = np.ones((4, 3), np.float32)
    heads.save_model(
        heads.attach_head(extractor, kernel, np.zeros(3, np.float32)), tmp_path / "model.keras"
    )
    found = split(load_file(tmp_path / "model.keras"))
    assert (found.layer, found.map_shape) == ("block2_conv2", (6, 6))
    np.testing.assert_array_equal(np.asarray(found.body(pixels)[0]), expected)
