"""Networks of one channel: what they see of the colors, and that every method explains them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import networks
from seewhy.catalog.model_spec import InputSize, ModelSpec, ScalePreprocessing
from seewhy.errors import UnsupportedModel
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import METHOD_INFO, METHODS
from seewhy.schemas.result import Verdict
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.model_check.report import check
from seewhy_worker.models.preprocessing import select_channels
from seewhy_worker.models.splitting.split_model import split

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WEIGHTS = (0.299, 0.587, 0.114)
IMAGE = networks.random_images(1, seed=3)[0]
SIDE_PX = 28


def mnist_guide(data_format: str = "channels_last") -> keras.Model:
    """Build the network of https://keras.io/examples/vision/mnist_convnet/, narrower."""

    def conv(filters: int, seed: int) -> layers.Layer:
        return layers.Conv2D(
            filters, 3, activation="relu", data_format=data_format,
            kernel_initializer=networks.seeded_initializer(seed),
        )  # fmt: skip

    is_last = data_format == "channels_last"
    steps = [
        conv(4, 1),
        layers.MaxPooling2D(2, data_format=data_format),
        conv(6, 2),
        layers.MaxPooling2D(2, data_format=data_format),
        layers.Permute((1, 2, 3) if is_last else (2, 3, 1)),
        layers.Flatten(),
        layers.Dropout(0.5),
        networks.dense(10, "scores", 3, "softmax"),
    ]
    shape = (SIDE_PX, SIDE_PX, 1) if is_last else (1, SIDE_PX, SIDE_PX)
    return keras.Sequential([keras.Input(shape), *steps])


def spec_of(folder: Path, *, classes: int = 10, side_px: int = SIDE_PX, **fields: Any) -> ModelSpec:
    size = InputSize(height_px=side_px, width_px=side_px)
    scale = ScalePreprocessing(kind="scale", mean=0.0, std=255.0)
    return networks.make_spec(
        folder, classes=classes, input=size, preprocessing=scale, **{"channels": "luma", **fields}
    )


def explainer_of(model: keras.Model, spec: ModelSpec) -> KerasExplainer:
    return KerasExplainer(spec=spec, model=split(model), max_batch=8)


def explain(explainer: KerasExplainer, **options: Any) -> Any:
    image = explainer.prepare(IMAGE)
    return explainer.explain([ExplanationTask.create(image, (2, -1), MethodOptions(**options))])[0]


def test_luma_is_that_of_opencv_and_of_pillow() -> None:
    found = select_channels(IMAGE, "luma")
    assert found.shape == (*IMAGE.shape[:2], 1)
    np.testing.assert_array_equal(found[..., 0], cv2.cvtColor(IMAGE, cv2.COLOR_RGB2GRAY))
    pillow = np.asarray(Image.fromarray(IMAGE).convert("L"))
    np.testing.assert_allclose(found[..., 0].astype(int), pillow.astype(int), atol=1)
    gray = np.repeat(pillow[..., None], 3, axis=2)
    np.testing.assert_array_equal(select_channels(gray, "luma")[..., 0], pillow)


def test_weights_give_their_sum_of_red_green_and_blue() -> None:
    found = select_channels(IMAGE, (0.5, 0.0, 0.25))
    np.testing.assert_allclose(found[..., 0], 0.5 * IMAGE[..., 0] + 0.25 * IMAGE[..., 2], rtol=1e-6)
    assert found.dtype == np.float32


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> KerasExplainer:
    return explainer_of(mnist_guide(), spec_of(tmp_path_factory.mktemp("mnist")))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_explains_the_network_of_the_mnist_guide(
    guide: KerasExplainer, method: str
) -> None:
    found = explain(guide, method=method, trust=method == "gradcam")
    assert found.targets[1].verdict is Verdict.OK
    assert found.channels == "luma"
    side = SIDE_PX if METHOD_INFO[method].pixel_level else 11
    assert found.maps.shape == (2, side, side)
    if method == "gradcam":
        assert found.targets[1].trust.insertion is not None


def test_integrated_gradients_of_one_channel_sum_to_the_score_difference_from_black(
    guide: KerasExplainer,
) -> None:
    found = explain(guide, method="integrated-gradients", score="probability")
    pixels = guide.prepare(IMAGE).pixels
    image, black = guide.probabilities(np.stack([pixels, np.zeros_like(pixels)]))
    assert found.maps[0].sum() == pytest.approx(image[2] - black[2], abs=0.02)


@pytest.mark.parametrize("method", ["gradcam", "layercam", "ablationcam", "eigencam"])
def test_one_channel_has_the_maps_of_an_rgb_network_that_sums_its_channels(
    tmp_path: Path, method: str
) -> None:
    model = mnist_guide()
    image = keras.Input((SIDE_PX, SIDE_PX, 3))
    total = layers.Conv2D(1, 1, use_bias=False, trainable=False)
    rgb = keras.Model(image, model(total(image)))
    total.set_weights([np.array(WEIGHTS, np.float32).reshape(1, 1, 3, 1)])
    found = explain(explainer_of(model, spec_of(tmp_path, channels=WEIGHTS)), method=method)
    assert found.channels == WEIGHTS
    expected = explain(explainer_of(rgb, spec_of(tmp_path, channels="rgb")), method=method)
    networks.assert_same_maps([found], [expected])


def test_a_gray_channels_first_network_has_the_maps_of_the_channels_last_one(
    tmp_path: Path,
) -> None:
    first, last = mnist_guide("channels_first"), mnist_guide()
    first.set_weights(last.get_weights())
    explainers = [explainer_of(model, spec_of(tmp_path)) for model in (first, last)]
    networks.assert_same_maps(*([explain(one)] for one in explainers))


def test_an_x_ray_densenet_of_one_channel_is_explained(tmp_path: Path) -> None:
    model = keras.applications.DenseNet121(
        weights=None, input_shape=(64, 64, 1), classes=14, classifier_activation="sigmoid"
    )
    explainer = explainer_of(model, spec_of(tmp_path, classes=14, side_px=64))
    found = explain(explainer)
    assert found.layer == "relu"
    assert found.targets[1].verdict is Verdict.OK


def test_the_check_of_a_file_proposes_the_channels_for_the_catalog(tmp_path: Path) -> None:
    mnist_guide().save(tmp_path / "mnist.keras")
    lines = check(tmp_path / "mnist.keras", shuffle=False)
    assert (
        'catalog: channels = "luma", because the model sees one channel; or three weights' in lines
    )
    assert "input: (None, 28, 28, 1), explained at (28, 28, 1)" in lines


@pytest.mark.parametrize(
    ("model", "channels", "remedy"),
    [
        (mnist_guide, "rgb", 'one channel, but the catalog says RGB: add `channels = "luma"`'),
        (networks.two_layer_cnn, "luma", "RGB images, but the catalog names one channel: remove"),
    ],
)
def test_a_catalog_that_disagrees_with_the_network_is_refused(
    model: Callable[[], keras.Model], channels: str, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModel, match=remedy):
        explainer_of(model(), spec_of(tmp_path, channels=channels))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"preprocessing": {"kind": "vgg16"}}, "needs three channels"),
        (
            {"preprocessing": {"kind": "scale", "mean": [1.0, 2.0, 3.0]}},
            "takes one `mean` and one `std`",
        ),
        ({"channels": "gray"}, "channels"),
        ({"channels": [1.0, 2.0]}, "channels"),
    ],
)
def test_a_catalog_entry_of_one_channel_is_validated(
    fields: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    entry = {
        **spec_of(tmp_path).model_dump(exclude={"methods"}),
        "preprocessing": {"kind": "scale"},
        **fields,
    }
    with pytest.raises(ValueError, match=reason):
        ModelSpec.model_validate(entry)
