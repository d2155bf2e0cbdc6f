"""Fitting an image to a model's input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seewhy.imaging.geometry import covered_rectangle, crop_and_resize, pixel_slices
from seewhy.schemas.geometry import Interpolation, Rectangle, ResizeRule

SIDES = st.integers(1, 5_000)


def ramp(width_px: int, height_px: int) -> np.ndarray:
    y, x = np.mgrid[0:height_px, 0:width_px]
    return np.stack([x, y, x + y], axis=-1).astype(np.uint8)


def test_stretch_covers_the_whole_image() -> None:
    whole = covered_rectangle(640, 427, rule="stretch", fraction=0.5)
    assert whole == Rectangle(x=0, y=0, width=640, height=427)


def test_crop_covers_a_centered_square() -> None:
    square = covered_rectangle(640, 427, rule="crop", fraction=0.875)
    assert square == Rectangle(x=134, y=27, width=373, height=373)


@given(width=SIDES, height=SIDES, fraction=st.floats(0.01, 1))
def test_a_crop_is_square_and_centered(width: int, height: int, fraction: float) -> None:
    part = covered_rectangle(width, height, rule="crop", fraction=fraction)
    assert part.width == part.height >= 1
    assert part.width <= max(1, fraction * min(width, height))
    assert 0 <= part.x <= width - part.width
    assert 0 <= part.y <= height - part.height
    assert abs(part.x - (width - part.x - part.width)) <= 1
    assert abs(part.y - (height - part.y - part.height)) <= 1


@given(width=SIDES, height=SIDES, rule=st.sampled_from(["stretch", "crop"]))
def test_the_slices_select_the_covered_pixels(width: int, height: int, rule: ResizeRule) -> None:
    part = covered_rectangle(width, height, rule=rule, fraction=0.875)
    rows, columns = pixel_slices(part, width_px=width, height_px=height)
    assert (columns.start, columns.stop) == (part.x, part.x + part.width)
    assert (rows.start, rows.stop) == (part.y, part.y + part.height)


@given(
    x=st.floats(-20, 120), y=st.floats(-20, 120), width=st.floats(0, 200), height=st.floats(0, 200)
)
def test_a_rectangle_is_clipped_to_the_image(
    x: float, y: float, width: float, height: float
) -> None:
    rectangle = Rectangle(x=x, y=y, width=width, height=height)
    rows, columns = pixel_slices(rectangle, width_px=100, height_px=50)
    assert 0 <= rows.start < rows.stop <= 50
    assert 0 <= columns.start < columns.stop <= 100


@pytest.mark.parametrize("fraction", [0.0, -1.0, 1.01, float("nan")])
def test_an_invalid_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        covered_rectangle(10, 10, rule="crop", fraction=fraction)


def test_a_crop_of_the_requested_size_is_not_resampled() -> None:
    image = ramp(30, 20)
    rectangle = Rectangle(x=10, y=5, width=12, height=12)
    part = crop_and_resize(image, rectangle, height_px=12, width_px=12, interpolation="cubic")
    assert np.array_equal(part, image[5:17, 10:22])
    assert part.flags.c_contiguous


@pytest.mark.parametrize("size_px", [(7, 5), (64, 96), (40, 20)])
def test_nearest_selects_the_same_pixels_as_pillow(size_px: tuple[int, int]) -> None:
    image = ramp(41, 29)
    whole = covered_rectangle(41, 29, rule="stretch", fraction=1)
    fitted = crop_and_resize(
        image, whole, height_px=size_px[1], width_px=size_px[0], interpolation="nearest"
    )
    expected = Image.fromarray(image).resize(size_px, Image.Resampling.NEAREST)
    assert np.array_equal(fitted, np.asarray(expected))


def test_bilinear_interpolates_between_pixel_centers() -> None:
    image = np.array([[[0, 0, 0], [100, 100, 100]]], np.uint8)
    whole = covered_rectangle(2, 1, rule="stretch", fraction=1)
    fitted = crop_and_resize(image, whole, height_px=1, width_px=4, interpolation="bilinear")
    assert fitted[0, :, 0].tolist() == [0, 25, 75, 100]


def test_area_averages_all_pixels() -> None:
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::4] = 200
    whole = covered_rectangle(16, 16, rule="stretch", fraction=1)
    fitted = crop_and_resize(stripes, whole, height_px=4, width_px=4, interpolation="area")
    assert (fitted == 50).all()


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "cubic", "area"])
def test_every_interpolation_keeps_a_constant_image_constant(interpolation: Interpolation) -> None:
    flat = np.full((31, 17, 3), (10, 120, 250), np.uint8)
    whole = covered_rectangle(17, 31, rule="stretch", fraction=1)
    fitted = crop_and_resize(flat, whole, height_px=24, width_px=48, interpolation=interpolation)
    assert fitted.shape == (24, 48, 3)
    assert (fitted == (10, 120, 250)).all()
