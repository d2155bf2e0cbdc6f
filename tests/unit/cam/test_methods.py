"""Every method on a seeded two-layer network, against its paper's formula in NumPy."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import networks
from reference_formulas import FORMULAS, ReferenceImage, contrast, gradcam, project
from seewhy.errors import UnknownClass, UnknownMethod
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import METHOD_INFO, METHODS, ScoreKind
from seewhy.schemas.result import Verdict
from seewhy.schemas.targets import Target
from seewhy_worker.cam.layer.eigencam import eigencam
from seewhy_worker.cam.layer.finercam import nearest_rivals
from seewhy_worker.cam.layer.gradcam_plus_plus import gradcam_plus_plus
from seewhy_worker.cam.layer.xgradcam import xgradcam
from seewhy_worker.cam.methods import find_method
from seewhy_worker.explain.keras_explainer import BATCH_TOLERANCE, KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, PreparedImage

IMAGES = networks.random_images(4)

task = ExplanationTask.create


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    return networks.make_explainer(networks.two_layer_cnn(), tmp_path_factory.mktemp("small"))


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("method", METHODS)
def test_a_map_follows_the_formula_of_its_paper(
    explainer: KerasExplainer, method: str, score: ScoreKind
) -> None:
    model = networks.two_layer_cnn()
    images = [explainer.prepare(image) for image in IMAGES[:2]]
    options = MethodOptions(method=method, score=score)
    explained = explainer.explain([task(image, range(5), options) for image in images])
    for image, result in zip(images, explained, strict=True):
        reference = ReferenceImage.of(model, image.pixels)
        for target in range(networks.CLASSES):
            assert_close(result.maps[target], FORMULAS[method](reference, score, target))
        assert (result.method, result.tried) == (method, (method,))
        assert result.linear is METHOD_INFO[method].linear


def test_shapleycam_differs_from_gradcam_only_for_a_curved_score(
    explainer: KerasExplainer,
) -> None:
    image = explainer.prepare(IMAGES[0])
    for score, same in (("logit", True), ("probability", False)):
        plain, curved = explainer.explain(
            [
                task(image, [0], MethodOptions(method=method, score=score))
                for method in ("gradcam", "shapleycam")
            ]
        )
        assert np.allclose(plain.maps, curved.maps, rtol=1e-5, atol=0) is same


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_a_contrast_is_the_map_of_a_class_minus_the_mean_of_its_rivals(
    explainer: KerasExplainer, score: ScoreKind
) -> None:
    image = explainer.prepare(IMAGES[0])
    reference = ReferenceImage.of(networks.two_layer_cnn(), image.pixels)
    ranks = np.argsort(-reference.logits)
    (explained,) = explainer.explain(
        [task(image, [Target(index=3, rivals=(1, -2))], MethodOptions(score=score))]
    )
    assert_close(explained.maps[0], contrast(reference, score, 3, [1, int(ranks[1])]))
    assert [rival.index for rival in explained.targets[0].rivals] == [1, ranks[1]]
    assert explained.targets[0].rivals[0].logit == pytest.approx(reference.logits[1], rel=1e-4)
    (finer,) = explainer.explain([task(image, [3], MethodOptions(method="finercam"))])
    assert len(finer.targets[0].rivals) == 3


def test_a_class_contrasted_with_itself_has_the_verdict_zero_gradient(
    explainer: KerasExplainer,
) -> None:
    image = explainer.prepare(IMAGES[0])
    best = explainer.explain([task(image, [-1])])[0].top[0].index
    (explained,) = explainer.explain([task(image, [Target(index=best, rivals=(-1,))])])
    assert explained.targets[0].verdict is Verdict.ZERO_GRADIENT


def test_a_sigmoid_probability_does_not_depend_on_other_classes(tmp_path: Path) -> None:
    multi = networks.make_explainer(networks.two_layer_cnn("fused sigmoid"), tmp_path)
    image = multi.prepare(IMAGES[1])
    reference = ReferenceImage.of(networks.two_layer_cnn(), image.pixels)
    (explained,) = multi.explain([task(image, [2], MethodOptions(score="probability"))])
    p = 1 / (1 + np.exp(-reference.logits[2]))
    assert_close(explained.maps[0], p * (1 - p) * gradcam(reference, "logit", 2))


OPTIONS = [
    MethodOptions(),
    MethodOptions(method="scorecam"),
    MethodOptions(score="probability"),
    MethodOptions(method="eigencam"),
    MethodOptions(method="eigengradcam"),
]


@settings(max_examples=25)
@given(chosen=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(OPTIONS)), max_size=4))
def test_images_with_different_options_share_a_batch_and_keep_their_order(
    explainer: KerasExplainer, chosen: list[tuple[int, MethodOptions]]
) -> None:
    tasks = [task(explainer.prepare(IMAGES[index]), [4], options) for index, options in chosen]
    together = explainer.explain(tasks)
    assert len(together) == len(chosen)
    for found, single in zip(together, tasks, strict=True):
        (alone,) = explainer.explain([single])
        limit = BATCH_TOLERANCE * np.abs(alone.maps).max()
        np.testing.assert_allclose(found.maps, alone.maps, rtol=0, atol=limit)
        assert (found.method, found.covers) == (single.options.method, single.image.covers)


@pytest.mark.parametrize("method", METHODS)
def test_a_non_finite_image_does_not_affect_the_rest_of_its_batch(
    explainer: KerasExplainer, method: str
) -> None:
    good = explainer.prepare(IMAGES[0])
    broken = PreparedImage(pixels=np.full_like(good.pixels, np.nan), covers=good.covers)
    options = MethodOptions(method=method)
    first, second = explainer.explain([task(image, [0], options) for image in (good, broken)])
    (alone,) = explainer.explain([task(good, [0], options)])
    limit = BATCH_TOLERANCE * np.abs(alone.maps).max()
    np.testing.assert_allclose(first.maps, alone.maps, rtol=0, atol=limit)
    assert second.targets[0].verdict is Verdict.NOT_FINITE


def one_cell_kernel(shape: tuple[int, ...], dtype: object = None) -> np.ndarray:
    """Weigh one cell positively for class 0 and all other cells negatively, after Flatten."""
    kernel = np.full(shape, -1.0, np.float32)
    kernel[-4:] = 50.0
    kernel[:, 1] = -1.0
    return kernel


@pytest.fixture(scope="module")
def one_cell(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    """Grad-CAM finds no evidence for class 0 here, and no method finds any for class 1."""
    pixels = networks.image_input()
    features = keras.layers.Conv2D(4, 3, activation="sigmoid", kernel_initializer="zeros")(pixels)
    scores = keras.layers.Dense(2, kernel_initializer=one_cell_kernel)(
        keras.layers.Flatten()(features)
    )
    return networks.make_explainer(keras.Model(pixels, scores), tmp_path_factory.mktemp("one_cell"))


CHAIN = MethodOptions(method="gradcam", fallback=("xgradcam", "hirescam", "layercam"))


def test_a_map_without_evidence_falls_back_to_the_first_method_that_finds_some(
    one_cell: KerasExplainer,
) -> None:
    image = one_cell.prepare(IMAGES[0])
    plain, helped, hopeless = one_cell.explain(
        [task(image, [0]), task(image, [0], CHAIN), task(image, [1], CHAIN)]
    )
    assert plain.targets[0].verdict is Verdict.CONSTANT
    assert (helped.method, helped.tried) == ("hirescam", ("gradcam", "xgradcam", "hirescam"))
    assert helped.targets[0].verdict is Verdict.OK
    assert hopeless.tried == ("gradcam", "xgradcam", "hirescam", "layercam")
    assert hopeless.method == "gradcam", "the first method's map is kept when none helps"


def test_an_image_with_one_usable_map_does_not_fall_back(explainer: KerasExplainer) -> None:
    image = explainer.prepare(IMAGES[0])
    (explained,) = explainer.explain([task(image, range(5), CHAIN)])
    assert any(target.verdict is Verdict.OK for target in explained.targets)
    assert explained.tried == ("gradcam",)


def test_unknown_methods_and_rivals_are_refused(explainer: KerasExplainer) -> None:
    image = explainer.prepare(IMAGES[0])
    with pytest.raises(UnknownMethod, match="layercam"):
        explainer.explain([task(image, [0], MethodOptions(method="gradcm"))])
    with pytest.raises(UnknownClass, match="has 5 classes"):
        explainer.explain([task(image, [Target(index=0, rivals=(5,))])])


def test_every_method_of_the_catalog_exists() -> None:
    assert [find_method(name).name for name in METHODS] == list(METHODS)


def test_an_unknown_method_is_refused_with_the_known_names() -> None:
    with pytest.raises(UnknownMethod, match="gradcam"):
        find_method("gradcm")


def test_grad_cam_plus_plus_works_for_tiny_gradients() -> None:
    """A larger activation compensates; an ε in the denominator would outweigh 1e-6 squared."""
    generator = np.random.default_rng(1)
    a, g = generator.random((1, 3, 3, 2)), generator.normal(size=(1, 3, 3, 2))
    large = gradcam_plus_plus(a, g, xp=np)
    tiny = gradcam_plus_plus(a * 1e6, g * 1e-6, xp=np)
    np.testing.assert_allclose(tiny, large, rtol=1e-9)


def test_a_channel_of_zeros_has_no_weight() -> None:
    a = np.zeros((1, 2, 2, 2))
    a[..., 1] = [[1, 2], [3, 4]]
    assert xgradcam(a, np.ones_like(a), xp=np).tolist() == a[..., 1].tolist()
    assert np.isfinite(eigencam(np.zeros_like(a), xp=np)).all()


@pytest.mark.parametrize("shape", [(3, 4, 4, 5), (3, 2, 2, 9)])
def test_the_first_component_equals_that_of_a_singular_value_decomposition(
    shape: tuple[int, ...],
) -> None:
    """Includes activations so small that their squares underflow in float32."""
    values = np.random.default_rng(3).normal(size=shape)
    for scale in (1, 1e-25):
        found = eigencam((values * scale).astype(np.float32), xp=np)
        for map_, row in zip(found, values, strict=True):
            assert_close(map_ / scale, project(row))


def test_the_nearest_rivals_have_the_closest_scores() -> None:
    scores = np.array([[9.0, 1.0, 4.0, 8.0, 3.5]] * 2)
    found = nearest_rivals(scores, np.array([2, 0]), xp=np)
    assert found.tolist() == [[4, 1, 3], [3, 2, 4]]
    assert nearest_rivals(scores[:, :2], np.array([0, 1]), xp=np).tolist() == [[1], [0]]
