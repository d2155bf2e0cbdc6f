"""The explainer on a seeded two-layer network, against the same maths written in NumPy."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import networks
from seewhy.errors import OutOfMemory, UnknownClass, UnsupportedModel
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.result import Verdict
from seewhy_worker.cam.methods import find_method
from seewhy_worker.explain.keras_explainer import BATCH_TOLERANCE, KerasExplainer
from seewhy_worker.explain.types import PreparedImage
from seewhy_worker.keras_backend.steps import compile_step
from seewhy_worker.keras_backend.target_tensors import TargetTensors
from seewhy_worker.models.splitting.split_model import split

PICTURES = networks.random_pictures(7)


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    return networks.explainer_of(networks.two_layer_cnn(), tmp_path_factory.mktemp("small"))


def by_hand(model: keras.Model, pixels: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Work out the map (h, w) and the logits of one picture (H, W, 3) without a framework."""
    a = pixels
    for name in ("conv1", "conv2"):
        kernel, bias = model.get_layer(name).get_weights()
        windows = sliding_window_view(a, (3, 3), axis=(0, 1))
        a = np.maximum(np.einsum("ijcyx,yxco->ijo", windows, kernel) + bias, 0)
    kernel1, bias1 = model.get_layer("fc").get_weights()
    kernel2, bias2 = model.get_layer("scores").get_weights()
    before = a.reshape(-1) @ kernel1 + bias1
    logits = np.maximum(before, 0) @ kernel2 + bias2
    gradient = (kernel1 @ ((before > 0) * kernel2[:, target])).reshape(a.shape)
    return (gradient.mean(axis=(0, 1)) * a).sum(axis=-1), logits


def test_maps_and_logits_are_those_worked_out_by_hand(explainer: KerasExplainer) -> None:
    prepared = [explainer.prepare(picture) for picture in PICTURES[:3]]
    explained = explainer.explain(prepared, [(0, 1, 2, 3, 4)] * 3)
    model = networks.two_layer_cnn()
    for picture, result in zip(prepared, explained, strict=True):
        for target in range(5):
            expected, logits = by_hand(model, picture.pixels, target)
            np.testing.assert_allclose(result.maps[target], expected, rtol=1e-3, atol=1e-5)
            score = result.targets[target].score
            assert (score.index, score.label) == (target, f"c{target}")
            assert score.logit == pytest.approx(logits[target], rel=1e-4, abs=1e-5)
            odds = np.exp(logits.astype(np.float64))
            assert score.probability == pytest.approx(odds[target] / odds.sum(), rel=1e-4)
            assert result.targets[target].minimum == result.maps[target].min()
            assert result.targets[target].maximum == result.maps[target].max()


def test_a_rank_is_explained_as_the_class_that_holds_it(explainer: KerasExplainer) -> None:
    prepared = [explainer.prepare(picture) for picture in PICTURES]
    ranked = explainer.explain(prepared, [(-1, -3)] * 7)
    named = explainer.explain(
        prepared, [tuple(target.score.index for target in one.targets) for one in ranked]
    )
    for by_rank, by_name in zip(ranked, named, strict=True):
        np.testing.assert_array_equal(by_rank.maps, by_name.maps)
        assert by_rank.targets == by_name.targets
        assert by_rank.targets[0].score == by_rank.top[0]
        assert by_rank.targets[1].score == by_rank.top[2]
        assert [s.logit for s in by_rank.top] == sorted(s.logit for s in by_rank.top)[::-1]
    assert len({one.targets[0].score.index for one in ranked}) > 1


def test_pictures_with_one_few_and_many_targets_share_a_batch(explainer: KerasExplainer) -> None:
    prepared = [explainer.prepare(picture) for picture in PICTURES[:3]]
    wanted = [(2,), (0, 4), (4, 3, 2, 1, 0, -1)]
    together = explainer.explain(prepared, wanted)
    assert [one.maps.shape for one in together] == [(1, 8, 8), (2, 8, 8), (6, 8, 8)]
    for one, picture, targets in zip(together, prepared, wanted, strict=True):
        (alone,) = explainer.explain([picture], [targets])
        assert_same(one.maps, alone.maps)


@pytest.mark.parametrize("ending", ["fused softmax", "softmax layer", "activation layer"])
def test_the_softmax_s_spelling_does_not_change_the_map(
    explainer: KerasExplainer, ending: str, tmp_path: Path
) -> None:
    prepared = [explainer.prepare(PICTURES[0])]
    (expected,) = explainer.explain(prepared, [(1, -1)])
    other = networks.explainer_of(networks.two_layer_cnn(ending), tmp_path)
    (found,) = other.explain(prepared, [(1, -1)])
    np.testing.assert_array_equal(found.maps, expected.maps)
    assert found.top == expected.top


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    limit = BATCH_TOLERANCE * np.abs(expected).max(axis=(1, 2), keepdims=True)
    assert (np.abs(found - expected) <= limit).all()


@settings(deadline=None, max_examples=40)
@given(order=st.permutations(range(7)), cuts=st.sets(st.integers(1, 6)))
def test_a_map_does_not_depend_on_its_batch(
    explainer: KerasExplainer, order: list[int], cuts: set[int]
) -> None:
    prepared = [explainer.prepare(picture) for picture in PICTURES]
    expected = [explainer.explain([one], [(0, -1)])[0] for one in prepared]
    edges = [0, *sorted(cuts), 7]
    for start, end in pairwise(edges):
        members = order[start:end]
        found = explainer.explain([prepared[m] for m in members], [(0, -1)] * len(members))
        for member, one in zip(members, found, strict=True):
            assert_same(one.maps, expected[member].maps)
            assert one.targets[1].score.index == expected[member].targets[1].score.index


def test_a_broken_picture_does_not_reach_its_batch_mates(explainer: KerasExplainer) -> None:
    good = explainer.prepare(PICTURES[0])
    broken = PreparedImage(pixels=np.full_like(good.pixels, np.nan), covers=good.covers)
    healthy, sick = explainer.explain([good, broken], [(0,), (0,)])
    (alone,) = explainer.explain([good], [(0,)])
    assert_same(healthy.maps, alone.maps)
    assert sick.targets[0].verdict == Verdict.NOT_FINITE


def test_more_pictures_than_a_batch_holds_are_explained_in_order(tmp_path: Path) -> None:
    small = networks.explainer_of(networks.two_layer_cnn(), tmp_path, max_batch=3)
    prepared = [small.prepare(picture) for picture in PICTURES]
    explained = small.explain(prepared, [(3,)] * 7)
    assert [one.covers for one in explained] == [one.covers for one in prepared]
    for one, picture in zip(explained, prepared, strict=True):
        (alone,) = small.explain([picture], [(3,)])
        assert_same(one.maps, alone.maps)


def head_of(hidden: keras.layers.Layer, tmp_path: Path) -> KerasExplainer:
    picture = networks.picture_input()
    pooled = keras.layers.GlobalAveragePooling2D()(networks.conv(4, "conv", 1)(picture))
    return networks.explainer_of(keras.Model(picture, hidden(pooled)), tmp_path)


def test_a_map_without_positive_evidence_says_so(tmp_path: Path) -> None:
    against = head_of(
        keras.layers.Dense(2, kernel_initializer=lambda s, dtype: -np.ones(s)), tmp_path
    )
    (explained,) = against.explain([against.prepare(PICTURES[0])], [(0,)])
    assert explained.targets[0].verdict == Verdict.ALL_NEGATIVE
    assert explained.maps.min() < 0


def test_a_map_without_any_gradient_says_so(tmp_path: Path) -> None:
    deaf = head_of(keras.layers.Dense(2, kernel_initializer="zeros"), tmp_path)
    (explained,) = deaf.explain([deaf.prepare(PICTURES[0])], [(1,)])
    assert explained.targets[0].verdict == Verdict.ZERO_GRADIENT


def test_a_sigmoid_head_gives_each_class_its_own_probability(tmp_path: Path) -> None:
    model = networks.two_layer_cnn("fused sigmoid")
    multi = networks.explainer_of(model, tmp_path)
    prepared = multi.prepare(PICTURES[1])
    (explained,) = multi.explain([prepared], [(0, 1, 2, 3, 4)])
    expected = model.predict(prepared.pixels[None], verbose=0)[0]
    found = [target.score.probability for target in explained.targets]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_preparing_scales_the_whole_picture_and_leaves_it_unchanged(
    explainer: KerasExplainer,
) -> None:
    picture = np.full((20, 30, 3), (0, 51, 255), np.uint8)
    before = picture.copy()
    prepared = explainer.prepare(picture)
    np.testing.assert_array_equal(picture, before)
    assert prepared.covers == Rectangle(x=0, y=0, width=30, height=20)
    assert (prepared.pixels.shape, prepared.pixels.dtype) == ((12, 12, 3), np.float32)
    np.testing.assert_allclose(prepared.pixels[5, 5], [-1.0, -0.6, 1.0], rtol=1e-6)


def test_explaining_leaves_the_prepared_pixels_unchanged(explainer: KerasExplainer) -> None:
    prepared = explainer.prepare(PICTURES[0])
    before = prepared.pixels.copy()
    explainer.explain([prepared], [(-1,)])
    np.testing.assert_array_equal(prepared.pixels, before)


@pytest.mark.parametrize("target", [5, -6])
def test_a_class_the_model_does_not_have_is_refused(explainer: KerasExplainer, target: int) -> None:
    with pytest.raises(UnknownClass, match="has 5 classes"):
        explainer.explain([explainer.prepare(PICTURES[0])], [(0, target)])


def test_pictures_and_targets_must_be_as_many(explainer: KerasExplainer) -> None:
    with pytest.raises(ValueError, match="1 pictures came with 2"):
        explainer.explain([explainer.prepare(PICTURES[0])], [(0,), (0,)])


def test_no_pictures_give_no_explanations(explainer: KerasExplainer) -> None:
    assert explainer.explain([], []) == []


WEIGHTS = np.random.default_rng(9).normal(size=(8 * 8 * 4, 5)).astype(np.float32)
PRODUCTS = {
    "a b": lambda rows: tf.matmul(rows, WEIGHTS),
    "a bT": lambda rows: tf.matmul(rows, WEIGHTS.T.copy(), transpose_b=True),
    "aT b": lambda rows: tf.matmul(tf.transpose(rows), WEIGHTS, transpose_a=True),
    "aT bT": lambda rows: tf.matmul(
        tf.transpose(rows), WEIGHTS.T.copy(), transpose_a=True, transpose_b=True
    ),
    "weights first": lambda rows: tf.transpose(tf.matmul(WEIGHTS.T.copy(), rows, transpose_b=True)),
    "weights first, turned": lambda rows: tf.transpose(
        tf.matmul(WEIGHTS, tf.transpose(rows), transpose_a=True)
    ),
}


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_gradient_is_right_however_a_matrix_product_is_written(
    explainer: KerasExplainer, product: str
) -> None:
    plain = split(networks.two_layer_cnn())
    parts = replace(
        plain,
        head_with_activations=lambda a: [a, PRODUCTS[product](tf.reshape(a, (-1, 8 * 8 * 4)))],
    )
    step = compile_step(parts, find_method("gradcam"), batch=2, targets=5, rivals=0)
    pixels = np.stack([explainer.prepare(picture).pixels for picture in PICTURES[:2]])
    classes = np.tile(np.arange(5, dtype=np.int32), (2, 1))
    raw = step(
        pixels, TargetTensors(classes, np.zeros((2, 5, 0), np.int32), np.ones((2, 5), np.float32))
    )
    gradient = WEIGHTS.T.reshape(5, 8, 8, 4)
    expected = np.einsum("kc,nhwc->nkhw", gradient.mean(axis=(1, 2)), plain.body(pixels))
    np.testing.assert_allclose(raw.maps, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(raw.gradient_peak, [np.abs(gradient).max(axis=(1, 2, 3))] * 2)


def test_warming_up_leaves_nothing_to_compile_for_one_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = networks.explainer_of(networks.two_layer_cnn(), tmp_path, max_batch=2)
    warm.warm_up()
    monkeypatch.delattr("seewhy_worker.explain.step_cache.compile_step")
    prepared = [warm.prepare(picture) for picture in PICTURES]
    assert len(warm.explain(prepared, [(3,)] * 7)) == 7


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [({"input_shape": (16, 12, 3)}, "correct `input`"), ({"classes": 6}, "correct `labels_file`")],
)
def test_a_catalogue_that_does_not_fit_the_network_is_refused(
    explainer: KerasExplainer, wrong: dict[str, Any], complaint: str
) -> None:
    parts = replace(split(networks.two_layer_cnn()), **wrong)
    with pytest.raises(UnsupportedModel, match=complaint):
        KerasExplainer(spec=explainer.spec, parts=parts, max_batch=1)


def test_running_out_of_memory_is_reported_as_such(tmp_path: Path) -> None:
    class Greedy(keras.layers.Layer):
        def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            # More bytes than a 64-bit process can address: no setting of any machine allows it.
            return inputs + keras.ops.sum(keras.ops.tile(inputs, (2**20, 2**26)))

    picture = networks.picture_input()
    hidden = keras.layers.GlobalMaxPooling2D()(networks.conv(4, "conv", 1)(picture))
    greedy = keras.Model(picture, keras.layers.Dense(2)(Greedy()(hidden)))
    explainer = networks.explainer_of(greedy, tmp_path)
    with pytest.raises(OutOfMemory, match="smaller batches") as caught:
        explainer.explain([explainer.prepare(PICTURES[0])], [(0,)])
    assert caught.value.__cause__ is not None
