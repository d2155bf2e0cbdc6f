"""Layers that other paths bypass have the maps of a gradient tape over the whole network."""

from collections.abc import Callable
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from keras import layers

import networks
from full_graph import FullGraph
from reference_formulas import FORMULAS, gradcam
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.types import ExplanationTask, PreparedImage
from seewhy_worker.keras_backend.bodies import Body, stack_activations
from seewhy_worker.models.splitting.split_model import split
from seewhy_worker.ports.cuts import Activation

METHODS = ("gradcam", "hirescam", "gradcam++", "layercam", "ablationcam", "scorecam")
TARGETS = (0, 3, 4)


def same(name: str, seed: int, filters: int = 4) -> layers.Layer:
    """Return a convolution that keeps the size of its input."""
    return layers.Conv2D(
        filters, 3, padding="same", activation="relu", name=name,
        kernel_initializer=networks.seeded_initializer(seed),
    )  # fmt: skip


def branch(name: str, seed: int, filters: int = 4) -> keras.Model:
    image = networks.image_input()
    hidden = layers.MaxPooling2D()(same("first", seed, filters)(image))
    return keras.Model(image, same("last", seed + 1, filters)(hidden), name=name)


def scores(hidden: keras.KerasTensor) -> keras.KerasTensor:
    return networks.dense(networks.CLASSES, "scores", 9)(hidden)


def parallel_backbones() -> keras.Model:
    image = networks.image_input()
    means = [
        layers.GlobalAveragePooling2D()(backbone(image))
        for backbone in (branch("left", 1), branch("right", 3, filters=6))
    ]
    return keras.Model(
        image, scores(networks.dense(8, "fc", 8, "silu")(layers.Concatenate()(means)))
    )


def skipped() -> keras.Model:
    image = networks.image_input()
    entry = same("entry", 1)(image)
    hidden = layers.Add()([entry, same("inside", 2)(entry)])
    return keras.Model(image, scores(layers.Flatten()(layers.Activation("silu")(hidden))))


def densely_connected() -> keras.Model:
    """Three paths lead around `second`, one of them as a vector, one from the image."""
    image = networks.image_input()
    first = same("first", 1)(image)
    second = same("second", 2)(first)
    gate = layers.Reshape((1, 1, 4))(
        networks.dense(4, "gate", 3, "sigmoid")(layers.GlobalAveragePooling2D()(first))
    )
    third = same("third", 4)(layers.Concatenate()([first, second]))
    joined = layers.Concatenate()([layers.Multiply()([third, gate]), second, image])
    return keras.Model(image, networks.add_classifier(joined))


def nested_with_a_bypass_outside() -> keras.Model:
    inner_image = keras.Input((networks.SIDE_PX, networks.SIDE_PX, 4))
    hidden = same("inside", 2)(inner_image)
    inner = keras.Model(inner_image, layers.Add()([hidden, inner_image]), name="block")
    image = networks.image_input()
    entry = same("entry", 1)(image)
    total = layers.Subtract()([inner(entry), layers.AveragePooling2D(3, 1, "same")(entry)])
    return keras.Model(image, networks.add_classifier(total))


def shared_backbone() -> keras.Model:
    image = networks.image_input()
    both = branch("both", 1)
    views = (image, layers.Cropping2D(2)(layers.ZeroPadding2D(((4, 0), (4, 0)))(image)))
    means = [layers.GlobalAveragePooling2D()(both(view)) for view in views]
    return keras.Model(image, scores(layers.Concatenate()(means)))


def prepared() -> PreparedImage:
    pixels = np.random.default_rng(3).normal(size=(12, 12, 3)).astype(np.float32)
    return PreparedImage(pixels, covers=None)  # type: ignore[arg-type]


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    peak = np.abs(expected).max()
    assert peak > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * peak)


@pytest.mark.parametrize(
    ("build", "layer", "call", "bypass"),
    [
        (parallel_backbones, "left/last", 0, [(None, 6)]),
        (skipped, "inside", 0, [(None, 12, 12, 4)]),
        (densely_connected, "second", 0, [(None, 12, 12, 3), (None, 12, 12, 4), (None, 1, 1, 4)]),
        (nested_with_a_bypass_outside, "block/inside", 0, [(None, 12, 12, 4)]),
        (shared_backbone, "both/last#2", 1, [(None, 4)]),
    ],
)
def test_a_bypassed_layer_has_the_maps_of_a_tape_over_the_whole_network(
    build: Callable[[], keras.Model],
    layer: str,
    call: int,
    bypass: list[tuple[int | None, ...]],
    tmp_path: Path,
) -> None:
    model = build()
    network: keras.Model | layers.Layer = model
    for name in layer.split("#", maxsplit=1)[0].split("/"):
        network = network.get_layer(name)
    image = prepared()
    reference = FullGraph(model, network, call=call).image(image.pixels)
    explainer = networks.make_explainer(model, tmp_path, layer=layer)
    tasks = [
        ExplanationTask.create(image, TARGETS, MethodOptions(method=method)) for method in METHODS
    ]
    for method, found in zip(METHODS, explainer.explain(tasks), strict=True):
        expected = [FORMULAS[method](reference, "logit", c) for c in TARGETS]
        assert_close(found.maps, np.stack(expected))
        assert found.layer == layer
    shapes = [tuple(tensor.shape) for tensor in explainer.graphs.model_at(()).first_cut.bypass]
    assert shapes == bypass, "the least that the head needs"


def test_without_a_bypass_a_cut_is_the_activation_alone() -> None:
    model = split(networks.two_layer_cnn(), ("conv1", "conv2"))
    assert model.first_cut.bypass == ()
    assert model.cut_name == "conv1"


@pytest.mark.parametrize("method", ["smoothgrad", "integrated-gradients"])
def test_methods_of_the_pixels_do_not_depend_on_the_cut(tmp_path: Path, method: str) -> None:
    explainers = [
        networks.make_explainer(skipped(), tmp_path, layer=layer) for layer in ("inside", None)
    ]
    tasks = [ExplanationTask.create(prepared(), (1,), MethodOptions(method=method))]
    bypassed, plain = (explainer.explain(tasks)[0].maps for explainer in explainers)
    assert_close(bypassed, plain)


def test_parallel_layers_are_fused_at_the_higher_resolution(tmp_path: Path) -> None:
    model = parallel_backbones()
    image = prepared()
    names = ("right/last", "left/first")
    maps = []
    for name in names:
        branch_name, layer = name.split("/")
        hooked = model.get_layer(branch_name).get_layer(layer)
        maps.append(gradcam(FullGraph(model, hooked).image(image.pixels), "logit", 2))
    coarse, fine = (map_ / np.abs(map_).max() for map_ in maps)
    expected = (cv2.resize(coarse, fine.shape) + fine) / 2
    explainer = networks.make_explainer(model, tmp_path, activation_cache_bytes=10**6)
    (found,) = explainer.explain([ExplanationTask.create(image, (2,), MethodOptions(layers=names))])
    assert found.layer == "right/last + left/first"
    assert_close(found.maps[0], expected)


def test_each_of_several_layers_of_a_job_has_its_own_cut_and_one_pass(tmp_path: Path) -> None:
    explainer = networks.make_explainer(parallel_backbones(), tmp_path)
    image = prepared()
    splits = [(), ("left/last",), ("left/last", "right/last"), ("right/first",)]
    tasks = [ExplanationTask.create(image, (1,), MethodOptions(layers=split_)) for split_ in splits]
    together = explainer.explain(tasks)
    for task, found in zip(tasks, together, strict=True):
        (alone,) = explainer.explain([task])
        assert_close(found.maps, alone.maps)
    assert len({one.maps.tobytes() for one in together}) == len(splits)


def test_a_row_of_a_cut_counts_all_its_bytes_and_stacks_with_others() -> None:
    model = split(skipped(), "inside")
    pixels = np.random.default_rng(0).normal(size=(2, 12, 12, 3)).astype(np.float32)
    (tensors,) = Body(model, batch=2)(pixels).values()
    rows = [Activation(tensors, row).alone() for row in (1, 0)]
    assert [row.bytes for row in rows] == [2 * 12 * 12 * 4 * 4] * 2
    stacked = stack_activations(rows, 4)
    assert [tensor.shape[0] for tensor in stacked] == [4, 4]
    for found, expected in zip(stacked, tensors, strict=True):
        np.testing.assert_array_equal(found[:2], expected[::-1])
        assert not np.any(found[2:])


def test_a_bypass_has_one_row_per_image() -> None:
    """The windows of an attention layer have many, so the cut is before they are made."""
    image = networks.image_input()
    entry = same("entry", 1)(image)
    windows = keras.ops.reshape(keras.ops.mean(entry, axis=-1), (-1, 4, 12))
    whole = keras.ops.reshape(keras.ops.max(windows, axis=-1), (-1, 12))
    joined = layers.Concatenate()([whole, layers.GlobalAveragePooling2D()(same("in", 2)(entry))])
    model = split(keras.Model(image, scores(layers.Dense(20)(joined))), "in")
    pixels = np.random.default_rng(0).normal(size=(2, 12, 12, 3)).astype(np.float32)
    activation, bypass = model.body(pixels)
    assert bypass.shape == (2, 12)
    np.testing.assert_allclose(
        model.head((activation[1:], bypass[1:]))[0], model.head((activation, bypass))[1], rtol=1e-5
    )
