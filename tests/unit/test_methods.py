"""Every method on a seeded two-layer network, against its paper's formula written in NumPy."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import networks
from by_hand import FORMULAS, ByHand, contrast, gradcam, projected
from seewhy.errors import UnknownClass, UnknownMethod
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import METHOD_INFO, METHODS, ScoreKind
from seewhy.schemas.result import Verdict
from seewhy.schemas.targets import Target
from seewhy_worker.cam.eigencam import eigencam
from seewhy_worker.cam.finercam import nearest_rivals
from seewhy_worker.cam.gradcam_plus_plus import gradcam_plus_plus
from seewhy_worker.cam.xgradcam import xgradcam
from seewhy_worker.explain.keras_explainer import BATCH_TOLERANCE, KerasExplainer
from seewhy_worker.explain.types import PreparedImage

PICTURES = networks.random_pictures(4)


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    return networks.explainer_of(networks.two_layer_cnn(), tmp_path_factory.mktemp("small"))


def agree(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("method", METHODS)
def test_a_map_is_the_one_its_paper_s_formula_gives(
    explainer: KerasExplainer, method: str, score: ScoreKind
) -> None:
    model = networks.two_layer_cnn()
    prepared = [explainer.prepare(picture) for picture in PICTURES[:2]]
    recipe = MethodOptions(method=method, score=score)
    explained = explainer.explain(prepared, [(0, 1, 2, 3, 4)] * 2, [recipe] * 2)
    for picture, result in zip(prepared, explained, strict=True):
        hand = ByHand.of(model, picture.pixels)
        for target in range(networks.CLASSES):
            agree(result.maps[target], FORMULAS[method](hand, score, target))
        assert (result.method, result.tried) == (method, (method,))
        assert result.linear is METHOD_INFO[method].linear


def test_a_curved_score_sets_shapleycam_apart_and_a_flat_one_does_not(
    explainer: KerasExplainer,
) -> None:
    prepared = [explainer.prepare(PICTURES[0])] * 2
    for score, same in (("logit", True), ("probability", False)):
        recipes = [
            MethodOptions(method=method, score=score) for method in ("gradcam", "shapleycam")
        ]
        plain, curved = explainer.explain(prepared, [(0,)] * 2, recipes)
        assert np.allclose(plain.maps, curved.maps, rtol=1e-5, atol=0) is same


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_a_contrast_is_the_map_of_a_class_less_the_mean_of_its_rivals(
    explainer: KerasExplainer, score: ScoreKind
) -> None:
    prepared = explainer.prepare(PICTURES[0])
    hand = ByHand.of(networks.two_layer_cnn(), prepared.pixels)
    ranks = np.argsort(-hand.logits)
    (explained,) = explainer.explain(
        [prepared], [(Target(index=3, rivals=(1, -2)),)], [MethodOptions(score=score)]
    )
    agree(explained.maps[0], contrast(hand, score, 3, [1, int(ranks[1])]))
    assert [rival.index for rival in explained.targets[0].rivals] == [1, ranks[1]]
    assert explained.targets[0].rivals[0].logit == pytest.approx(hand.logits[1], rel=1e-4)
    (finest,) = explainer.explain([prepared], [(3,)], [MethodOptions(method="finercam")])
    assert len(finest.targets[0].rivals) == 3


def test_a_class_against_itself_says_that_there_is_nothing_to_show(
    explainer: KerasExplainer,
) -> None:
    prepared = explainer.prepare(PICTURES[0])
    best = explainer.explain([prepared], [(-1,)])[0].top[0].index
    (explained,) = explainer.explain([prepared], [(Target(index=best, rivals=(-1,)),)])
    assert explained.targets[0].verdict is Verdict.ZERO_GRADIENT


def test_the_probability_of_a_sigmoid_does_not_depend_on_other_classes(tmp_path: Path) -> None:
    multi = networks.explainer_of(networks.two_layer_cnn("fused sigmoid"), tmp_path)
    prepared = multi.prepare(PICTURES[1])
    hand = ByHand.of(networks.two_layer_cnn(), prepared.pixels)
    (explained,) = multi.explain([prepared], [(2,)], [MethodOptions(score="probability")])
    p = 1 / (1 + np.exp(-hand.logits[2]))
    agree(explained.maps[0], p * (1 - p) * gradcam(hand, "logit", 2))


RECIPES = [
    MethodOptions(),
    MethodOptions(method="scorecam"),
    MethodOptions(score="probability"),
    MethodOptions(method="eigencam"),
    MethodOptions(method="eigengradcam"),
]


@settings(deadline=None, max_examples=25)
@given(chosen=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(RECIPES)), max_size=4))
def test_pictures_of_different_recipes_share_a_batch_and_keep_their_order(
    explainer: KerasExplainer, chosen: list[tuple[int, MethodOptions]]
) -> None:
    prepared = [explainer.prepare(PICTURES[place]) for place, _ in chosen]
    together = explainer.explain(prepared, [(4,)] * len(chosen), [recipe for _, recipe in chosen])
    assert len(together) == len(chosen)
    for one, picture, (_, recipe) in zip(together, prepared, chosen, strict=True):
        (alone,) = explainer.explain([picture], [(4,)], [recipe])
        limit = BATCH_TOLERANCE * np.abs(alone.maps).max()
        np.testing.assert_allclose(one.maps, alone.maps, rtol=0, atol=limit)
        assert (one.method, one.covers) == (recipe.method, picture.covers)


@pytest.mark.parametrize("method", METHODS)
def test_a_broken_picture_does_not_reach_its_batch_mates(
    explainer: KerasExplainer, method: str
) -> None:
    good = explainer.prepare(PICTURES[0])
    broken = PreparedImage(pixels=np.full_like(good.pixels, np.nan), covers=good.covers)
    recipe = MethodOptions(method=method)
    healthy, sick = explainer.explain([good, broken], [(0,), (0,)], [recipe] * 2)
    (alone,) = explainer.explain([good], [(0,)], [recipe])
    limit = BATCH_TOLERANCE * np.abs(alone.maps).max()
    np.testing.assert_allclose(healthy.maps, alone.maps, rtol=0, atol=limit)
    assert sick.targets[0].verdict is Verdict.NOT_FINITE


def one_cell_speaks(shape: tuple[int, ...], dtype: object = None) -> np.ndarray:
    """Weights of two classes after Flatten: one cell for them, all others against."""
    kernel = np.full(shape, -1.0, np.float32)
    kernel[-4:] = 50.0
    kernel[:, 1] = -1.0
    return kernel


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    """Grad-CAM sees nothing for class 0 here, and no method sees anything for class 1."""
    picture = networks.picture_input()
    features = keras.layers.Conv2D(4, 3, activation="sigmoid", kernel_initializer="zeros")(picture)
    scores = keras.layers.Dense(2, kernel_initializer=one_cell_speaks)(
        keras.layers.Flatten()(features)
    )
    return networks.explainer_of(keras.Model(picture, scores), tmp_path_factory.mktemp("torn"))


CHAIN = MethodOptions(method="gradcam", fallback=("xgradcam", "hirescam", "layercam"))


def test_a_map_without_evidence_falls_back_to_the_next_method_that_finds_some(
    torn: KerasExplainer,
) -> None:
    prepared = [torn.prepare(PICTURES[0])] * 3
    plain, helped, lost = torn.explain(
        prepared, [(0,), (0,), (1,)], [MethodOptions(), CHAIN, CHAIN]
    )
    assert plain.targets[0].verdict is Verdict.CONSTANT
    assert (helped.method, helped.tried) == ("hirescam", ("gradcam", "xgradcam", "hirescam"))
    assert helped.targets[0].verdict is Verdict.OK
    assert lost.tried == ("gradcam", "xgradcam", "hirescam", "layercam")
    assert lost.method == "gradcam", "when none helps, what was asked for stands"


def test_a_picture_with_one_good_map_does_not_fall_back(explainer: KerasExplainer) -> None:
    prepared = explainer.prepare(PICTURES[0])
    (explained,) = explainer.explain([prepared], [(0, 1, 2, 3, 4)], [CHAIN])
    assert any(target.verdict is Verdict.OK for target in explained.targets)
    assert explained.tried == ("gradcam",)


def test_what_a_recipe_names_must_exist(explainer: KerasExplainer) -> None:
    prepared = [explainer.prepare(PICTURES[0])]
    with pytest.raises(UnknownMethod, match="layercam"):
        explainer.explain(prepared, [(0,)], [MethodOptions(method="gradcm")])
    with pytest.raises(UnknownClass, match="has 5 classes"):
        explainer.explain(prepared, [(Target(index=0, rivals=(5,)),)])


def test_grad_cam_plus_plus_does_not_depend_on_how_small_the_gradients_are() -> None:
    """A larger activation makes up for it: an ε in the denominator would swallow 1e-6 squared."""
    generator = np.random.default_rng(1)
    a, g = generator.random((1, 3, 3, 2)), generator.normal(size=(1, 3, 3, 2))
    large = gradcam_plus_plus(a, g, xp=np)
    tiny = gradcam_plus_plus(a * 1e6, g * 1e-6, xp=np)
    np.testing.assert_allclose(tiny, large, rtol=1e-9)


def test_a_dead_channel_weighs_nothing() -> None:
    a = np.zeros((1, 2, 2, 2))
    a[..., 1] = [[1, 2], [3, 4]]
    assert xgradcam(a, np.ones_like(a), xp=np).tolist() == a[..., 1].tolist()
    assert np.isfinite(eigencam(np.zeros_like(a), xp=np)).all()


@pytest.mark.parametrize("shape", [(3, 4, 4, 5), (3, 2, 2, 9)])
def test_the_first_component_is_that_of_a_singular_value_decomposition(
    shape: tuple[int, ...],
) -> None:
    """Also for activations so small that their squares are nothing in float32."""
    values = np.random.default_rng(3).normal(size=shape)
    for scale in (1, 1e-25):
        found = eigencam((values * scale).astype(np.float32), xp=np)
        for map_, row in zip(found, values, strict=True):
            agree(map_ / scale, projected(row))


def test_the_nearest_rivals_are_those_of_the_closest_scores() -> None:
    scores = np.array([[9.0, 1.0, 4.0, 8.0, 3.5]] * 2)
    found = nearest_rivals(scores, np.array([2, 0]), xp=np)
    assert found.tolist() == [[4, 1, 3], [3, 2, 4]]
    assert nearest_rivals(scores[:, :2], np.array([0, 1]), xp=np).tolist() == [[1], [0]]
