"""Multi-pass methods and combined targets: properties beyond the formulas."""

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
from seewhy_worker.explain.graph_cache import MAX_HEADS
from seewhy_worker.explain.keras_explainer import BATCH_TOLERANCE, KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation

IMAGES = networks.random_images(4)
MULTI_PASS = [name for name in METHODS if not find_method(name).single_pass]


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    return networks.make_explainer(networks.two_layer_cnn(), tmp_path_factory.mktemp("small"))


def explain(explainer: KerasExplainer, *targets: int | Target, **options: Any) -> ImageExplanation:
    image = explainer.prepare(IMAGES[0])
    return explainer.explain([ExplanationTask.create(image, targets, MethodOptions(**options))])[0]


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    limit = BATCH_TOLERANCE * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=limit)


@pytest.mark.parametrize("method", [name for name in METHODS if METHOD_INFO[name].linear])
def test_maps_of_a_linear_method_can_be_subtracted_and_negated(
    explainer: KerasExplainer, method: str
) -> None:
    one, other, contrast, against = explain(
        explainer, 0, 3, Target(index=0, rivals=(3,)), Target(index=0, against=True), method=method
    ).maps
    assert_close(contrast, one - other)
    assert_close(against, -one)


def test_plain_targets_and_contrasts_share_a_pass(explainer: KerasExplainer) -> None:
    targets: tuple[int | Target, ...] = (
        2,
        Target(index=2, rivals=(0, 1)),
        Target(index=-1, rivals=(-2,)),
        4,
    )
    together = explain(explainer, *targets)
    for target, map_, result in zip(targets, together.maps, together.targets, strict=True):
        alone = explain(explainer, target)
        assert_close(map_, alone.maps[0])
        assert result.score.index == alone.targets[0].score.index
        rivals = [rival.index for rival in alone.targets[0].rivals]
        assert [rival.index for rival in result.rivals] == rivals
    assert [len(target.rivals) for target in together.targets] == [0, 2, 1, 0]


def test_a_result_marks_maps_of_the_evidence_against_a_class(explainer: KerasExplainer) -> None:
    found = explain(explainer, 1, Target(index=1, against=True), method="layercam")
    assert [target.against for target in found.targets] == [False, True]
    assert not np.allclose(found.maps[1], -found.maps[0]), "LayerCAM clips before it sums"
    assert found.maps[1].max() > 0


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_integrated_gradients_sum_to_the_score_difference_from_black(
    explainer: KerasExplainer, score: str
) -> None:
    found = explain(explainer, 0, 1, 2, method="integrated-gradients", score=score)
    model = keras.Sequential([networks.two_layer_cnn()])
    if score == "probability":
        model.add(keras.layers.Softmax())
    pixels = explainer.prepare(IMAGES[0]).pixels
    image_score, black_score = model.predict(
        np.stack([pixels, np.full_like(pixels, -1)]), verbose=0
    )
    # Between black and the image the ReLUs have kinks, where the integration rule is not exact.
    limit = 0.03 * np.abs(image_score - black_score).max()
    np.testing.assert_allclose(
        found.maps.sum(axis=(1, 2)), (image_score - black_score)[:3], rtol=0, atol=limit
    )


@pytest.mark.parametrize("method", MULTI_PASS)
def test_the_targets_of_a_multi_pass_method_are_independent(
    explainer: KerasExplainer, method: str
) -> None:
    targets: tuple[int | Target, ...] = (0, -1, Target(index=2, rivals=(1,)))
    together = explain(explainer, *targets, method=method)
    for column, target in enumerate(targets):
        assert_close(together.maps[column], explain(explainer, target, method=method).maps[0])


@settings(max_examples=15)
@given(
    chosen=st.lists(st.integers(0, 3), min_size=1, max_size=3), method=st.sampled_from(MULTI_PASS)
)
def test_a_map_of_a_multi_pass_method_does_not_depend_on_its_batch(
    explainer: KerasExplainer, chosen: list[int], method: str
) -> None:
    options = MethodOptions(method=method)
    tasks = [ExplanationTask.create(explainer.prepare(IMAGES[i]), [1], options) for i in chosen]
    for task, found in zip(tasks, explainer.explain(tasks), strict=True):
        assert_close(found.maps, explainer.explain([task])[0].maps)


@pytest.mark.parametrize("method", MULTI_PASS)
def test_smaller_chunks_give_the_same_map(
    explainer: KerasExplainer, method: str, tmp_path: Path
) -> None:
    narrow = networks.make_explainer(networks.two_layer_cnn(), tmp_path, max_batch=1)
    assert_close(
        explain(narrow, 0, 4, method=method).maps, explain(explainer, 0, 4, method=method).maps
    )


def test_a_multi_pass_method_that_runs_out_of_memory_continues_in_smaller_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hungry = networks.make_explainer(networks.two_layer_cnn(), tmp_path)
    expected = explain(hungry, 0, method="scorecam").maps
    fits, tried = 2, []
    compiled_head = hungry.graphs.head

    def head(spec: Any) -> Any:
        tried.append(spec.chunk_size)
        if spec.chunk_size > fits:
            raise OutOfMemory("too much")
        return compiled_head(spec)

    monkeypatch.setattr(hungry.graphs, "head", head)
    assert_close(explain(hungry, 0, method="scorecam").maps, expected)
    assert_close(explain(hungry, 0, method="scorecam").maps, expected)
    assert tried == [8, 4, 2, 2], "the smaller size is kept"
    fits = 0
    with pytest.raises(OutOfMemory):
        explain(hungry, 0, method="scorecam")


def relu_network(activation: str) -> keras.Model:
    pixels = networks.image_input()
    hidden = keras.layers.Conv2D(4, 3, kernel_initializer=networks.seeded_initializer(1))(pixels)
    hidden = keras.layers.Activation(activation)(hidden)
    return keras.Model(pixels, networks.dense(3, "scores", 2)(keras.layers.Flatten()(hidden)))


@pytest.mark.parametrize("method", ["guided-backprop", "guided-gradcam"])
def test_guided_methods_refuse_a_network_without_relus(tmp_path: Path, method: str) -> None:
    swish = networks.make_explainer(relu_network("silu"), tmp_path)
    with pytest.raises(UnsupportedModel, match=r"needs a network with ReLU activations.*: use"):
        explain(swish, 0, method=method)


def test_guided_backpropagation_supports_relu6(tmp_path: Path) -> None:
    """The weights are scaled so that some outputs exceed 6, where no gradient passes."""
    model = relu_network("relu6")
    model.layers[1].set_weights([30 * model.layers[1].get_weights()[0], np.zeros(4)])
    guided = networks.make_explainer(model, tmp_path)
    pixels = guided.prepare(IMAGES[0]).pixels
    before = keras.ops.convert_to_numpy(model.layers[1](pixels[None]))
    assert (before > 6).any()
    kernel = model.layers[-1].get_weights()[0][:, 1].reshape(before.shape)
    upstream = np.where((before > 0) & (before < 6) & (kernel > 0), kernel, 0)[0]
    expected = np.zeros(pixels.shape)
    for y, x in np.ndindex(3, 3):
        expected[y : y + 10, x : x + 10] += upstream @ model.layers[1].get_weights()[0][y, x].T
    assert_close(
        explain(guided, 1, method="guided-backprop").maps[0], np.abs(expected).max(axis=-1)
    )


def test_faster_score_cam_uses_the_channels_with_the_largest_variance(tmp_path: Path) -> None:
    network_input = networks.image_input()
    features = networks.conv(24, "conv", 1)(network_input)
    model = keras.Model(network_input, networks.add_classifier(features))
    wide = networks.make_explainer(model, tmp_path)
    image = wide.prepare(IMAGES[1])
    activation = np.asarray(wide.graphs.model_at(()).body(image.pixels[None])[0])[0]
    kept = np.argsort(-activation.std(axis=(0, 1)))[:10]
    masked = np.zeros_like(activation)
    masked[..., kept] = activation[..., kept]
    found = wide.explain(
        [ExplanationTask.create(image, [0], MethodOptions(method="faster-scorecam"))]
    )
    weights, *_ = np.linalg.lstsq(masked.reshape(-1, 24), found[0].maps[0].ravel(), rcond=None)
    assert weights[kept].sum() == pytest.approx(1, abs=1e-3)
    assert_close(found[0].maps[0], activation[..., kept] @ weights[kept])


def test_probabilities_are_those_of_the_model_in_order(explainer: KerasExplainer) -> None:
    pixels = np.stack([explainer.prepare(image).pixels for image in IMAGES * 3])
    found = explainer.probabilities(pixels)
    whole = keras.Sequential([networks.two_layer_cnn(), keras.layers.Softmax()])
    np.testing.assert_allclose(found, whole.predict(pixels, verbose=0), rtol=1e-4, atol=1e-7)


def test_the_cache_of_compiled_heads_is_bounded(explainer: KerasExplainer) -> None:
    assert explainer.graphs.head.cache_info().maxsize == MAX_HEADS
