"""Maps at another layer than the model's own, and of several layers fused."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

import networks
from by_hand import ByHand, gradcam
from seewhy.errors import UnsupportedModel
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.models.splitting.split_model import split

PICTURES = networks.random_pictures(2)
BOTH = ("conv1", "conv2")


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    return networks.explainer_of(networks.two_layer_cnn(), tmp_path_factory.mktemp("small"))


def first_layer_map(model: keras.Model, pixels: np.ndarray, c: int) -> np.ndarray:
    """Grad-CAM at the first convolution: its gradient is one step further back."""
    hand = ByHand.of(model, pixels)
    first, second = hand.network.body(pixels)
    upstream = np.where(second > 0, hand.jacobian[c], 0)
    gradient = np.zeros(first.shape)
    for y, x in np.ndindex(3, 3):
        height, width, _ = upstream.shape
        taps = hand.network.kernels["conv2"][y, x]
        gradient[y : y + height, x : x + width] += upstream @ taps.T
    return (gradient.mean(axis=(0, 1)) * first).sum(axis=-1)


def test_a_request_s_layer_is_explained_in_place_of_the_model_s(explainer: KerasExplainer) -> None:
    prepared = explainer.prepare(PICTURES[0])
    (found,) = explainer.explain([prepared], [(2,)], [MethodOptions(layers=("conv1",))])
    expected = first_layer_map(networks.two_layer_cnn(), prepared.pixels, 2)
    assert (found.layer, found.maps.shape) == ("conv1", (1, 10, 10))
    np.testing.assert_allclose(found.maps[0], expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]])
def test_several_layers_are_fused_on_the_finest_grid(
    explainer: KerasExplainer, order: tuple[str, str]
) -> None:
    prepared = [explainer.prepare(picture) for picture in PICTURES]
    found = explainer.explain(prepared, [(0, 3)] * 2, [MethodOptions(layers=order)] * 2)
    model = networks.two_layer_cnn()
    for picture, one in zip(prepared, found, strict=True):
        assert (one.layer, one.linear) == ("conv1 + conv2", False)
        for place, c in enumerate((0, 3)):
            fine = first_layer_map(model, picture.pixels, c)
            deep = gradcam(ByHand.of(model, picture.pixels), "logit", c)
            deep = cv2.resize(deep / np.abs(deep).max(), fine.shape)
            expected = (fine / np.abs(fine).max() + deep) / 2
            np.testing.assert_allclose(one.maps[place], expected, rtol=0, atol=1e-5)
            assert one.targets[place].minimum == pytest.approx(expected.min(), abs=1e-5)


@pytest.mark.parametrize("method", ["eigencam", "shapleycam", "layercam"])
def test_every_method_of_one_pass_fuses(explainer: KerasExplainer, method: str) -> None:
    prepared = [explainer.prepare(PICTURES[0])]

    def at(*layers: str) -> np.ndarray:
        recipe = MethodOptions(method=method, layers=layers)
        return explainer.explain(prepared, [(1,)], [recipe])[0].maps[0]

    fine, deep = at("conv1"), at("conv2")
    fine, deep = fine / np.abs(fine).max(), deep / np.abs(deep).max()
    expected = (fine + cv2.resize(deep, fine.shape)) / 2
    np.testing.assert_allclose(at(*BOTH), expected, rtol=0, atol=1e-5)


def test_layers_of_a_nested_channels_first_network_are_fused_alike(tmp_path: Path) -> None:
    flat = networks.explainer_of(networks.two_layer_cnn(), tmp_path)
    picture = networks.picture_input()
    turned = keras.layers.Permute((3, 1, 2))(picture)
    inner = keras.Input(turned.shape[1:])
    hidden = inner
    for name in BOTH:
        layer = networks.two_layer_cnn().get_layer(name).get_config()
        conv = keras.layers.Conv2D.from_config({**layer, "data_format": "channels_first"})
        hidden = conv(hidden)
    backbone = keras.Model(inner, hidden, name="backbone")
    scores = networks.classified(keras.layers.Permute((2, 3, 1))(backbone(turned)))
    first = networks.explainer_of(keras.Model(picture, scores), tmp_path)
    prepared = [flat.prepare(picture) for picture in PICTURES]
    recipes = [MethodOptions(layers=BOTH)] * 2
    expected = flat.explain(prepared, [(0, 4)] * 2, recipes)
    found = first.explain(prepared, [(0, 4)] * 2, recipes)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.maps, other.maps, rtol=0, atol=1e-5)
    assert found[0].layer == "backbone/conv1 + backbone/conv2"


def test_a_layer_that_is_not_there_is_refused_with_those_that_are(
    explainer: KerasExplainer,
) -> None:
    prepared = [explainer.prepare(PICTURES[0])]
    with pytest.raises(UnsupportedModel, match=r"no layer 'conv3'.*conv1, conv2"):
        explainer.explain(prepared, [(0,)], [MethodOptions(layers=("conv3",))])


def test_a_layer_that_parts_go_around_is_refused_beside_others() -> None:
    picture = networks.picture_input()
    stem = networks.conv(4, "stem", 1)(picture)
    branch = keras.layers.Conv2D(4, 3, padding="same", name="branch")(stem)
    joined = keras.layers.Add(name="joined")([stem, branch])
    model = keras.Model(picture, networks.classified(joined))
    assert split(model, ("stem", "joined")).layers == ("stem", "joined")
    with pytest.raises(UnsupportedModel, match="'branch' cannot be explained"):
        split(model, ("stem", "branch"))
