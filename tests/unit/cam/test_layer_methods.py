"""Maps at layers other than the model's target layer, and fused maps of several layers."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

import networks
from reference_formulas import ReferenceImage, gradcam
from seewhy.errors import UnsupportedModel
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask

IMAGES = networks.random_images(2)
BOTH = ("conv1", "conv2")

task = ExplanationTask.create


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    return networks.make_explainer(networks.two_layer_cnn(), tmp_path_factory.mktemp("small"))


def first_layer_map(model: keras.Model, pixels: np.ndarray, c: int) -> np.ndarray:
    """Compute Grad-CAM at the first convolution, one gradient step further back."""
    reference = ReferenceImage.of(model, pixels)
    first, second = reference.network.body(pixels)
    upstream = np.where(second > 0, reference.jacobian[c], 0)
    gradient = np.zeros(first.shape)
    for y, x in np.ndindex(3, 3):
        height, width, _ = upstream.shape
        taps = reference.network.kernels["conv2"][y, x]
        gradient[y : y + height, x : x + width] += upstream @ taps.T
    return (gradient.mean(axis=(0, 1)) * first).sum(axis=-1)


def test_options_can_choose_another_layer(explainer: KerasExplainer) -> None:
    image = explainer.prepare(IMAGES[0])
    (found,) = explainer.explain([task(image, [2], MethodOptions(layers=("conv1",)))])
    expected = first_layer_map(networks.two_layer_cnn(), image.pixels, 2)
    assert (found.layer, found.maps.shape) == ("conv1", (1, 10, 10))
    np.testing.assert_allclose(found.maps[0], expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]])
def test_several_layers_are_fused_at_the_highest_resolution(
    explainer: KerasExplainer, order: tuple[str, str]
) -> None:
    images = [explainer.prepare(image) for image in IMAGES]
    found = explainer.explain(
        [task(image, (0, 3), MethodOptions(layers=order)) for image in images]
    )
    model = networks.two_layer_cnn()
    for image, one in zip(images, found, strict=True):
        assert (one.layer, one.linear) == ("conv1 + conv2", False)
        for column, c in enumerate((0, 3)):
            fine = first_layer_map(model, image.pixels, c)
            deep = gradcam(ReferenceImage.of(model, image.pixels), "logit", c)
            deep = cv2.resize(deep / np.abs(deep).max(), fine.shape)
            expected = (fine / np.abs(fine).max() + deep) / 2
            np.testing.assert_allclose(one.maps[column], expected, rtol=0, atol=1e-5)
            assert one.targets[column].minimum == pytest.approx(expected.min(), abs=1e-5)


@pytest.mark.parametrize("method", ["eigencam", "shapleycam", "layercam"])
def test_every_single_pass_method_supports_fusion(explainer: KerasExplainer, method: str) -> None:
    image = explainer.prepare(IMAGES[0])

    def at(*layers: str) -> np.ndarray:
        options = MethodOptions(method=method, layers=layers)
        return explainer.explain([task(image, [1], options)])[0].maps[0]

    fine, deep = at("conv1"), at("conv2")
    fine, deep = fine / np.abs(fine).max(), deep / np.abs(deep).max()
    expected = (fine + cv2.resize(deep, fine.shape)) / 2
    np.testing.assert_allclose(at(*BOTH), expected, rtol=0, atol=1e-5)


def test_fusion_works_for_a_nested_channels_first_network(tmp_path: Path) -> None:
    flat = networks.make_explainer(networks.two_layer_cnn(), tmp_path)
    pixels = networks.image_input()
    channels_first = keras.layers.Permute((3, 1, 2))(pixels)
    inner = keras.Input(channels_first.shape[1:])
    hidden = inner
    for name in BOTH:
        layer = networks.two_layer_cnn().get_layer(name).get_config()
        conv = keras.layers.Conv2D.from_config({**layer, "data_format": "channels_first"})
        hidden = conv(hidden)
    backbone = keras.Model(inner, hidden, name="backbone")
    scores = networks.add_classifier(keras.layers.Permute((2, 3, 1))(backbone(channels_first)))
    nested = networks.make_explainer(keras.Model(pixels, scores), tmp_path)
    tasks = [task(flat.prepare(image), (0, 4), MethodOptions(layers=BOTH)) for image in IMAGES]
    expected = flat.explain(tasks)
    found = nested.explain(tasks)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.maps, other.maps, rtol=0, atol=1e-5)
    assert found[0].layer == "backbone/conv1 + backbone/conv2"


def test_an_unknown_layer_is_refused_with_the_known_layers(
    explainer: KerasExplainer,
) -> None:
    image = explainer.prepare(IMAGES[0])
    with pytest.raises(UnsupportedModel, match=r"no layer 'conv3'.*conv1, conv2"):
        explainer.explain([task(image, [0], MethodOptions(layers=("conv3",)))])
