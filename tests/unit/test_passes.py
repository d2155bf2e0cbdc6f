"""Methods of several passes, and several kinds of targets, beyond the formulas."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import networks
from seewhy.errors import OutOfMemory, UnsupportedModel
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import METHOD_INFO, METHODS
from seewhy.schemas.targets import Target
from seewhy_worker.cam.methods import find_method
from seewhy_worker.explain.keras_explainer import BATCH_TOLERANCE, KerasExplainer
from seewhy_worker.explain.step_cache import LARGEST
from seewhy_worker.explain.types import ImageExplanation

PICTURES = networks.random_pictures(4)
SEVERAL = [name for name in METHODS if not find_method(name).in_one_pass]


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    return networks.explainer_of(networks.two_layer_cnn(), tmp_path_factory.mktemp("small"))


def explain(explainer: KerasExplainer, *targets: int | Target, **recipe: Any) -> ImageExplanation:
    prepared = [explainer.prepare(PICTURES[0])]
    return explainer.explain(prepared, [targets], [MethodOptions(**recipe)])[0]


def near(found: np.ndarray, expected: np.ndarray) -> None:
    limit = BATCH_TOLERANCE * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=limit)


@pytest.mark.parametrize("method", [name for name in METHODS if METHOD_INFO[name].linear])
def test_a_linear_method_s_maps_subtract_and_turn_their_sign(
    explainer: KerasExplainer, method: str
) -> None:
    one, other, why, against = explain(
        explainer, 0, 3, Target(index=0, rivals=(3,)), Target(index=0, against=True), method=method
    ).maps
    near(why, one - other)
    near(against, -one)


def test_several_contrasts_and_what_speaks_against_share_a_pass(explainer: KerasExplainer) -> None:
    targets = (2, Target(index=2, rivals=(0, 1)), Target(index=-1, rivals=(-2,)), 4)
    together = explain(explainer, *targets)
    for target, map_, result in zip(targets, together.maps, together.targets, strict=True):
        alone = explain(explainer, target)
        near(map_, alone.maps[0])
        assert result.score.index == alone.targets[0].score.index
        rivals = [rival.index for rival in alone.targets[0].rivals]
        assert [rival.index for rival in result.rivals] == rivals
    assert [len(target.rivals) for target in together.targets] == [0, 2, 1, 0]


def test_a_result_says_when_its_map_shows_what_speaks_against(explainer: KerasExplainer) -> None:
    found = explain(explainer, 1, Target(index=1, against=True), method="layercam")
    assert [target.against for target in found.targets] == [False, True]
    assert not np.allclose(found.maps[1], -found.maps[0]), "LayerCAM clips before it sums"
    assert found.maps[1].max() > 0


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_integrated_gradients_share_out_the_whole_rise_from_black(
    explainer: KerasExplainer, score: str
) -> None:
    found = explain(explainer, 0, 1, 2, method="integrated-gradients", score=score)
    model = keras.Sequential([networks.two_layer_cnn()])
    if score == "probability":
        model.add(keras.layers.Softmax())
    pixels = explainer.prepare(PICTURES[0]).pixels
    picture, black = model.predict(np.stack([pixels, np.full_like(pixels, -1)]), verbose=0)
    # A network of ReLUs has kinks on the way, where no rule of few points is exact.
    limit = 0.03 * np.abs(picture - black).max()
    np.testing.assert_allclose(
        found.maps.sum(axis=(1, 2)), (picture - black)[:3], rtol=0, atol=limit
    )


@pytest.mark.parametrize("method", SEVERAL)
def test_targets_of_a_method_of_several_passes_do_not_touch_each_other(
    explainer: KerasExplainer, method: str
) -> None:
    together = explain(explainer, 0, -1, Target(index=2, rivals=(1,)), method=method)
    for place, target in enumerate((0, -1, Target(index=2, rivals=(1,)))):
        near(together.maps[place], explain(explainer, target, method=method).maps[0])


@settings(deadline=None, max_examples=15)
@given(chosen=st.lists(st.integers(0, 3), min_size=1, max_size=3), method=st.sampled_from(SEVERAL))
def test_a_map_of_several_passes_does_not_depend_on_its_batch(
    explainer: KerasExplainer, chosen: list[int], method: str
) -> None:
    prepared = [explainer.prepare(PICTURES[place]) for place in chosen]
    recipe = MethodOptions(method=method)
    together = explainer.explain(prepared, [(1,)] * len(chosen), [recipe] * len(chosen))
    for picture, one in zip(prepared, together, strict=True):
        near(one.maps, explainer.explain([picture], [(1,)], [recipe])[0].maps)


@pytest.mark.parametrize("method", SEVERAL)
def test_fewer_rows_at_a_time_make_the_same_map(
    explainer: KerasExplainer, method: str, tmp_path: Path
) -> None:
    narrow = networks.explainer_of(networks.two_layer_cnn(), tmp_path, max_batch=1)
    near(explain(narrow, 0, 4, method=method).maps, explain(explainer, 0, 4, method=method).maps)


def test_a_method_of_several_passes_that_runs_out_of_memory_goes_on_in_smaller_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hungry = networks.explainer_of(networks.two_layer_cnn(), tmp_path)
    expected = explain(hungry, 0, method="scorecam").maps
    fits, tried = 2, []
    made = hungry._stock.step

    def step(order: Any) -> Any:
        tried.append(order.rows)
        if order.rows > fits:
            raise OutOfMemory("too much")
        return made(order)

    monkeypatch.setattr(hungry._stock, "step", step)
    near(explain(hungry, 0, method="scorecam").maps, expected)
    near(explain(hungry, 0, method="scorecam").maps, expected)
    assert tried == [8, 4, 2, 2], "what has been learnt is kept"
    fits = 0
    with pytest.raises(OutOfMemory):
        explain(hungry, 0, method="scorecam")


def relu_network(activation: str) -> keras.Model:
    picture = networks.picture_input()
    hidden = keras.layers.Conv2D(4, 3, kernel_initializer=networks.drawn(1))(picture)
    hidden = keras.layers.Activation(activation)(hidden)
    return keras.Model(picture, networks.dense(3, "scores", 2)(keras.layers.Flatten()(hidden)))


@pytest.mark.parametrize("method", ["guided-backprop", "guided-gradcam"])
def test_guided_methods_are_refused_where_there_is_no_relu(tmp_path: Path, method: str) -> None:
    swish = networks.explainer_of(relu_network("silu"), tmp_path)
    with pytest.raises(UnsupportedModel, match=r"no ReLU\. Ask for"):
        explain(swish, 0, method=method)


def test_guided_backpropagation_knows_the_relu_that_stops_at_6(tmp_path: Path) -> None:
    """Scaled so that some outputs exceed 6, where no gradient passes at all."""
    model = relu_network("relu6")
    model.layers[1].set_weights([30 * model.layers[1].get_weights()[0], np.zeros(4)])
    guided = networks.explainer_of(model, tmp_path)
    pixels = guided.prepare(PICTURES[0]).pixels
    before = keras.ops.convert_to_numpy(model.layers[1](pixels[None]))
    assert (before > 6).any()
    kernel = model.layers[-1].get_weights()[0][:, 1].reshape(before.shape)
    upstream = np.where((before > 0) & (before < 6) & (kernel > 0), kernel, 0)[0]
    expected = np.zeros(pixels.shape)
    for y, x in np.ndindex(3, 3):
        expected[y : y + 10, x : x + 10] += upstream @ model.layers[1].get_weights()[0][y, x].T
    near(explain(guided, 1, method="guided-backprop").maps[0], np.abs(expected).max(axis=-1))


def test_the_faster_form_asks_only_the_channels_that_vary_most(tmp_path: Path) -> None:
    picture = networks.picture_input()
    features = networks.conv(24, "conv", 1)(picture)
    model = keras.Model(picture, networks.classified(features))
    wide = networks.explainer_of(model, tmp_path)
    pixels = wide.prepare(PICTURES[1]).pixels
    activation = np.asarray(wide._parts.body(pixels[None]))[0]
    kept = np.argsort(-activation.std(axis=(0, 1)))[:10]
    masked = np.zeros_like(activation)
    masked[..., kept] = activation[..., kept]
    found = wide.explain(
        [wide.prepare(PICTURES[1])], [(0,)], [MethodOptions(method="faster-scorecam")]
    )
    weights, *_ = np.linalg.lstsq(masked.reshape(-1, 24), found[0].maps[0].ravel(), rcond=None)
    assert weights[kept].sum() == pytest.approx(1, abs=1e-3)
    near(found[0].maps[0], activation[..., kept] @ weights[kept])


def test_scoring_pictures_gives_their_probabilities_in_order(explainer: KerasExplainer) -> None:
    pixels = np.stack([explainer.prepare(picture).pixels for picture in PICTURES * 3])
    found = explainer.probabilities(pixels)
    whole = keras.Sequential([networks.two_layer_cnn(), keras.layers.Softmax()])
    np.testing.assert_allclose(found, whole.predict(pixels, verbose=0), rtol=1e-4, atol=1e-7)


def test_the_stock_of_compiled_steps_is_bounded(explainer: KerasExplainer) -> None:
    assert explainer._stock.step.cache_info().maxsize == LARGEST


def test_an_explainer_of_one_split_knows_no_other_layer(explainer: KerasExplainer) -> None:
    lone = KerasExplainer(spec=explainer.spec, parts=replace(explainer._parts), max_batch=1)
    with pytest.raises(ValueError, match="splits at conv2 only"):
        explain(lone, 0, layers=("conv1",))
