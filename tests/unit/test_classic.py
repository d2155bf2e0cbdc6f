"""The preset `classic` beside the original recipe, run by hand."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import networks
from original_recipe import CLASSIC, assert_drawn_as_the_recipe, recipe_overlay
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_files import RandomWeights
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.splitting.split_model import split

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
IMAGE = np.random.default_rng(4).integers(0, 256, (90, 120, 3), np.uint8)
MAP = np.random.default_rng(5).normal(size=(14, 14)).astype(np.float32)
DARKEST_JET = np.array([0, 0, 128])


def whole(image: np.ndarray) -> Rectangle:
    return Rectangle(x=0, y=0, width=image.shape[1], height=image.shape[0])


def assert_same_pixels(image: np.ndarray, heatmap: np.ndarray) -> None:
    drawn = classic_overlay(image, heatmap, rectangle=whole(image))
    np.testing.assert_array_equal(drawn, recipe_overlay(image, heatmap))


def dimmed_blue(image: np.ndarray) -> np.ndarray:
    """Draw half of the image and a quarter of the color for no evidence."""
    return cv2.addWeighted(image, 0.5, image * 0 + DARKEST_JET, 0.25, 0, dtype=0)


def test_a_small_network_is_drawn_as_by_the_original_recipe(tmp_path: Path) -> None:
    model = networks.two_layer_cnn("fused softmax")
    assert_drawn_as_the_recipe(networks.make_explainer(model, tmp_path), model, IMAGE // 2 + 20)


def test_vgg16_is_drawn_as_by_the_original_recipe() -> None:
    shipped = Catalog.load(load({})).get("vgg16")
    spec = shipped.model_copy(update={"weights": RandomWeights(random_seed=16)})
    model = load_model(spec, weights_path=None)
    with_softmax = keras.Model(model.input, keras.layers.Softmax()(model.output))
    explainer = KerasExplainer(spec=spec, model=split(model, spec.layer), max_batch=1)
    assert_drawn_as_the_recipe(explainer, with_softmax, IMAGE)


@pytest.mark.parametrize("photo", sorted(PHOTOS.glob("*.jpg")), ids=lambda path: path.stem)
@pytest.mark.parametrize(("lowest", "highest"), [(0, 255), (0, 214), (31, 255), (100, 120)])
def test_a_photo_is_stretched_to_the_full_range(photo: Path, lowest: int, highest: int) -> None:
    with Image.open(photo) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    image = np.interp(pixels, (0, 255), (lowest, highest)).astype(np.uint8)
    assert_same_pixels(image, MAP)


def test_a_dark_image_becomes_brighter() -> None:
    dark = (IMAGE // 4).clip(0, 60)
    drawn = classic_overlay(dark, np.zeros((2, 2), np.float32), rectangle=whole(dark))
    assert drawn[..., 0].max() == 128  # half of 255, and JET's darkest blue has no red


@given(
    image=arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
    heatmap=arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 7), st.integers(1, 7)),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    ),
)
def test_any_image_and_any_finite_map_are_drawn_as_by_the_recipe(
    image: np.ndarray, heatmap: np.ndarray
) -> None:
    assert_same_pixels(image, heatmap)


@pytest.mark.parametrize("lowest", range(0, 256, 5))
def test_integers_are_stretched_as_floats_are(lowest: int) -> None:
    """The recipe works on floats; the service saves that copy of every image."""
    for highest in range(lowest, 256):
        values = np.arange(lowest, highest + 1, dtype=np.uint8)
        image = np.resize(values, (40, 33, 3))
        assert_same_pixels(image, MAP[:1, :2])


@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_constant_image_is_black_as_in_the_recipe(value: int) -> None:
    flat = np.full((9, 12, 3), value, np.uint8)
    assert_same_pixels(flat, MAP)
    drawn = classic_overlay(flat, MAP * 0, rectangle=whole(flat))
    np.testing.assert_array_equal(drawn, dimmed_blue(flat * 0))


def test_negative_evidence_is_not_cut_off(tmp_path: Path) -> None:
    explainer = networks.make_explainer(networks.two_layer_cnn(), tmp_path)
    prepared = explainer.prepare(IMAGE)
    plain, classic = explainer.explain(
        [
            ExplanationTask.create(prepared, range(5), options)
            for options in (MethodOptions(score="probability"), CLASSIC)
        ]
    )
    np.testing.assert_allclose(4 * classic.maps, plain.maps, rtol=1e-4, atol=1e-7)
    assert classic.maps.min() < 0


@pytest.mark.parametrize(
    "heatmap",
    [
        np.full((3, 4), 0.25, np.float32),
        np.full((3, 4), np.nan, np.float32),
        np.array([[0, 1], [np.nan, 2]], np.float32),
        np.array([[0, 1], [-np.inf, 2]], np.float32),
    ],
    ids=["constant", "all NaN", "one NaN", "infinite"],
)
def test_a_map_without_a_finite_range_is_drawn_as_no_evidence(heatmap: np.ndarray) -> None:
    drawn = classic_overlay(IMAGE, heatmap, rectangle=whole(IMAGE))
    np.testing.assert_array_equal(drawn, dimmed_blue(IMAGE))


@pytest.mark.parametrize(
    "rectangle",
    [
        Rectangle(x=30, y=0, width=60, height=90),
        Rectangle(x=15, y=10, width=79, height=79),
        Rectangle(x=119, y=89, width=1, height=1),
    ],
)
def test_a_crop_is_drawn_as_by_the_recipe_and_the_rest_as_no_evidence(
    rectangle: Rectangle,
) -> None:
    image = IMAGE // 2 + 20
    drawn = classic_overlay(image, MAP, rectangle=rectangle)
    np.testing.assert_array_equal(drawn, recipe_overlay(image, MAP, rectangle))
    stretched = cv2.normalize(image, np.empty(0), 0, 255, cv2.NORM_MINMAX)
    outside = np.ones(image.shape[:2], bool)
    x, y = int(rectangle.x), int(rectangle.y)
    outside[y : y + int(rectangle.height), x : x + int(rectangle.width)] = False
    np.testing.assert_array_equal(drawn[outside], dimmed_blue(stretched)[outside])


def test_the_whole_image_is_stretched_by_one_range() -> None:
    """A brighter pixel outside the crop counts, so that no seam shows at the crop's edge."""
    image = np.full((20, 30, 3), 100, np.uint8)
    image[0, 0], image[5:15, 10:20] = 200, 50
    drawn = classic_overlay(
        image, np.zeros((2, 2), np.float32), rectangle=Rectangle(x=10, y=5, width=10, height=10)
    )
    # (100 - 50) / (200 - 50) of 255 is 85; half of it is 42.5, rounded to even.
    assert drawn[0, 1].tolist() == [42, 42, 74]


def test_the_image_is_not_changed() -> None:
    image = IMAGE // 2
    before = image.copy()
    classic_overlay(image, MAP, rectangle=whole(image))
    np.testing.assert_array_equal(image, before)
