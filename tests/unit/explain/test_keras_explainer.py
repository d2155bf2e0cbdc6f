"""The explainer on a seeded two-layer network, against the same formulas in NumPy."""

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

import networks
from optionals import present
from reference_formulas import ReferenceImage, gradcam
from seewhy.errors import OutOfMemory, UnknownClass, UnsupportedModel
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.result import Verdict
from seewhy_worker.cam.methods import find_method
from seewhy_worker.explain.keras_explainer import BATCH_TOLERANCE, KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, PreparedImage
from seewhy_worker.keras_backend.bodies import Body
from seewhy_worker.keras_backend.heads import compile_head
from seewhy_worker.models.splitting.split_model import split
from seewhy_worker.ports.targets import TargetTensors

IMAGES = networks.random_images(7)

task = ExplanationTask.create


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    return networks.make_explainer(networks.two_layer_cnn(), tmp_path_factory.mktemp("small"))


def test_maps_and_logits_equal_the_reference_formula(explainer: KerasExplainer) -> None:
    images = [explainer.prepare(image) for image in IMAGES[:3]]
    explained = explainer.explain([task(image, range(5)) for image in images])
    model = networks.two_layer_cnn()
    for image, result in zip(images, explained, strict=True):
        reference = ReferenceImage.of(model, image.pixels)
        odds = np.exp(reference.logits)
        for target in range(5):
            expected = gradcam(reference, "logit", target)
            np.testing.assert_allclose(result.maps[target], expected, rtol=1e-3, atol=1e-5)
            score = result.targets[target].score
            assert (score.index, score.label) == (target, f"c{target}")
            assert score.logit == pytest.approx(reference.logits[target], rel=1e-4, abs=1e-5)
            assert score.probability == pytest.approx(odds[target] / odds.sum(), rel=1e-4)
            assert result.targets[target].minimum == result.maps[target].min()
            assert result.targets[target].maximum == result.maps[target].max()


def test_a_rank_is_explained_as_the_class_at_that_rank(explainer: KerasExplainer) -> None:
    images = [explainer.prepare(image) for image in IMAGES]
    by_rank = explainer.explain([task(image, (-1, -3)) for image in images])
    by_index = explainer.explain(
        [
            task(image, [target.score.index for target in ranked.targets])
            for image, ranked in zip(images, by_rank, strict=True)
        ]
    )
    for ranked, indexed in zip(by_rank, by_index, strict=True):
        np.testing.assert_array_equal(ranked.maps, indexed.maps)
        assert ranked.targets == indexed.targets
        assert ranked.targets[0].score == ranked.top[0]
        assert ranked.targets[1].score == ranked.top[2]
        logits = [present(score.logit) for score in ranked.top]
        assert logits == sorted(logits)[::-1]
    assert len({ranked.targets[0].score.index for ranked in by_rank}) > 1


def test_images_with_one_few_and_many_targets_share_a_batch(explainer: KerasExplainer) -> None:
    targets = [(2,), (0, 4), (4, 3, 2, 1, 0, -1)]
    tasks = [
        task(explainer.prepare(image), each)
        for image, each in zip(IMAGES[:3], targets, strict=True)
    ]
    together = explainer.explain(tasks)
    assert [one.maps.shape for one in together] == [(1, 8, 8), (2, 8, 8), (6, 8, 8)]
    for found, single in zip(together, tasks, strict=True):
        assert_same(found.maps, explainer.explain([single])[0].maps)


@pytest.mark.parametrize("ending", ["fused softmax", "softmax layer", "activation layer"])
def test_the_map_does_not_depend_on_how_the_softmax_is_written(
    explainer: KerasExplainer, ending: str, tmp_path: Path
) -> None:
    tasks = [task(explainer.prepare(IMAGES[0]), (1, -1))]
    (expected,) = explainer.explain(tasks)
    other = networks.make_explainer(networks.two_layer_cnn(ending), tmp_path)
    (found,) = other.explain(tasks)
    np.testing.assert_array_equal(found.maps, expected.maps)
    assert found.top == expected.top


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    limit = BATCH_TOLERANCE * np.abs(expected).max(axis=(1, 2), keepdims=True)
    assert (np.abs(found - expected) <= limit).all()


@settings(max_examples=40)
@given(order=st.permutations(range(7)), cuts=st.sets(st.integers(1, 6)))
def test_a_map_does_not_depend_on_its_batch(
    explainer: KerasExplainer, order: list[int], cuts: set[int]
) -> None:
    tasks = [task(explainer.prepare(image), (0, -1)) for image in IMAGES]
    expected = [explainer.explain([one])[0] for one in tasks]
    edges = [0, *sorted(cuts), 7]
    for start, end in pairwise(edges):
        members = order[start:end]
        found = explainer.explain([tasks[member] for member in members])
        for member, one in zip(members, found, strict=True):
            assert_same(one.maps, expected[member].maps)
            assert one.targets[1].score.index == expected[member].targets[1].score.index


def test_a_non_finite_image_does_not_affect_the_rest_of_its_batch(
    explainer: KerasExplainer,
) -> None:
    good = explainer.prepare(IMAGES[0])
    broken = PreparedImage(pixels=np.full_like(good.pixels, np.nan), covers=good.covers)
    first, second = explainer.explain([task(good, [0]), task(broken, [0])])
    (alone,) = explainer.explain([task(good, [0])])
    assert_same(first.maps, alone.maps)
    assert second.targets[0].verdict == Verdict.NOT_FINITE


def test_more_images_than_fit_into_a_batch_are_explained_in_order(tmp_path: Path) -> None:
    small = networks.make_explainer(networks.two_layer_cnn(), tmp_path, max_batch=3)
    tasks = [task(small.prepare(image), [3]) for image in IMAGES]
    explained = small.explain(tasks)
    assert [one.covers for one in explained] == [one.image.covers for one in tasks]
    for found, single in zip(explained, tasks, strict=True):
        assert_same(found.maps, small.explain([single])[0].maps)


def explainer_with_head(head: keras.layers.Layer, tmp_path: Path) -> KerasExplainer:
    pixels = networks.image_input()
    pooled = keras.layers.GlobalAveragePooling2D()(networks.conv(4, "conv", 1)(pixels))
    return networks.make_explainer(keras.Model(pixels, head(pooled)), tmp_path)


def test_a_map_without_positive_evidence_has_the_verdict_all_negative(tmp_path: Path) -> None:
    explainer = explainer_with_head(
        keras.layers.Dense(2, kernel_initializer=lambda s, dtype: -np.ones(s)), tmp_path
    )
    (explained,) = explainer.explain([task(explainer.prepare(IMAGES[0]), [0])])
    assert explained.targets[0].verdict == Verdict.ALL_NEGATIVE
    assert explained.maps.min() < 0


def test_a_map_without_a_gradient_has_the_verdict_zero_gradient(tmp_path: Path) -> None:
    explainer = explainer_with_head(keras.layers.Dense(2, kernel_initializer="zeros"), tmp_path)
    (explained,) = explainer.explain([task(explainer.prepare(IMAGES[0]), [1])])
    assert explained.targets[0].verdict == Verdict.ZERO_GRADIENT


def test_a_sigmoid_head_gives_independent_probabilities(tmp_path: Path) -> None:
    model = networks.two_layer_cnn("fused sigmoid")
    explainer = networks.make_explainer(model, tmp_path)
    image = explainer.prepare(IMAGES[1])
    (explained,) = explainer.explain([task(image, range(5))])
    expected = model.predict(image.pixels[None], verbose=0)[0]
    found = [present(target.score.probability) for target in explained.targets]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_preparing_scales_a_copy_of_the_whole_image(
    explainer: KerasExplainer,
) -> None:
    image = np.full((20, 30, 3), (0, 51, 255), np.uint8)
    before = image.copy()
    prepared = explainer.prepare(image)
    np.testing.assert_array_equal(image, before)
    assert prepared.covers == Rectangle(x=0, y=0, width=30, height=20)
    assert prepared.pixels.shape == (12, 12, 3)
    assert prepared.pixels.dtype == np.float32
    np.testing.assert_allclose(prepared.pixels[5, 5], [-1.0, -0.6, 1.0], rtol=1e-6)


def test_explaining_leaves_the_prepared_pixels_unchanged(explainer: KerasExplainer) -> None:
    prepared = explainer.prepare(IMAGES[0])
    before = prepared.pixels.copy()
    explainer.explain([task(prepared, [-1])])
    np.testing.assert_array_equal(prepared.pixels, before)


@pytest.mark.parametrize("target", [5, -6])
def test_an_unknown_class_is_refused(explainer: KerasExplainer, target: int) -> None:
    with pytest.raises(UnknownClass, match="has 5 classes"):
        explainer.explain([task(explainer.prepare(IMAGES[0]), (0, target))])


def test_more_than_20_targets_are_refused(explainer: KerasExplainer) -> None:
    with pytest.raises(ValueError, match="21 targets in one task; at most 20"):
        explainer.explain([task(explainer.prepare(IMAGES[0]), [0] * 21)])


def test_no_tasks_give_no_explanations(explainer: KerasExplainer) -> None:
    assert explainer.explain([]) == []


WEIGHTS = np.random.default_rng(9).normal(size=(8 * 8 * 4, 5)).astype(np.float32)
PRODUCTS = {
    "a b": lambda rows: tf.matmul(rows, WEIGHTS),
    "a bT": lambda rows: tf.matmul(rows, WEIGHTS.T.copy(), transpose_b=True),
    "aT b": lambda rows: tf.matmul(tf.transpose(rows), WEIGHTS, transpose_a=True),
    "aT bT": lambda rows: tf.matmul(
        tf.transpose(rows), WEIGHTS.T.copy(), transpose_a=True, transpose_b=True
    ),
    "weights first": lambda rows: tf.transpose(tf.matmul(WEIGHTS.T.copy(), rows, transpose_b=True)),
    "weights first, transposed": lambda rows: tf.transpose(
        tf.matmul(WEIGHTS, tf.transpose(rows), transpose_a=True)
    ),
}


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_gradient_does_not_depend_on_how_a_matrix_product_is_written(
    explainer: KerasExplainer, product: str
) -> None:
    plain = split(networks.two_layer_cnn())
    model = replace(
        plain, last_head=lambda cut: PRODUCTS[product](tf.reshape(cut[0], (-1, 8 * 8 * 4)))
    )
    body = Body(model, batch=2)
    head = compile_head(model, find_method("gradcam"), cut=body.cut, targets=5, rivals=0)
    pixels = np.stack([explainer.prepare(image).pixels for image in IMAGES[:2]])
    classes = np.tile(np.arange(5, dtype=np.int32), (2, 1))
    targets = TargetTensors(classes, np.zeros((2, 5, 0), np.int32), np.ones((2, 5), np.float32))
    (cut,) = body(pixels).values()
    output = head(cut, pixels, targets)
    gradient = WEIGHTS.T.reshape(5, 8, 8, 4)
    expected = np.einsum("kc,nhwc->nkhw", gradient.mean(axis=(1, 2)), plain.body(pixels)[0])
    np.testing.assert_allclose(output.maps, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output.gradient_peak, [np.abs(gradient).max(axis=(1, 2, 3))] * 2)


def test_one_target_needs_no_compilation_after_warm_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = networks.make_explainer(networks.two_layer_cnn(), tmp_path, max_batch=2)
    warm.warm_up()
    monkeypatch.delattr("seewhy_worker.explain.graph_cache.compile_head")
    tasks = [task(warm.prepare(image), [3]) for image in IMAGES]
    assert len(warm.explain(tasks)) == 7


@pytest.mark.parametrize(
    ("mismatch", "message"),
    [({"input_shape": (16, 12, 3)}, "correct `input`"), ({"classes": 6}, "correct `labels_file`")],
)
def test_a_catalog_entry_that_does_not_match_the_network_is_refused(
    explainer: KerasExplainer, mismatch: dict[str, Any], message: str
) -> None:
    model = replace(split(networks.two_layer_cnn()), **mismatch)
    with pytest.raises(UnsupportedModel, match=message):
        KerasExplainer(spec=explainer.spec, model=model, max_batch=1)


def test_running_out_of_memory_raises_out_of_memory(tmp_path: Path) -> None:
    class Greedy(keras.layers.Layer):
        def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            # More bytes than a 64-bit process can address.
            return inputs + keras.ops.sum(keras.ops.tile(inputs, (2**20, 2**26)))

    pixels = networks.image_input()
    hidden = keras.layers.GlobalMaxPooling2D()(networks.conv(4, "conv", 1)(pixels))
    greedy = keras.Model(pixels, keras.layers.Dense(2)(Greedy()(hidden)))
    explainer = networks.make_explainer(greedy, tmp_path)
    with pytest.raises(OutOfMemory, match="smaller batch") as caught:
        explainer.explain([task(explainer.prepare(IMAGES[0]), [0])])
    assert caught.value.__cause__ is not None
