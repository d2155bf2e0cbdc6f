"""Heatmaps and overlays show the values of a map at the right place."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import images
from images import header_of
from seewhy.errors import InvalidRequest
from seewhy.imaging.codecs import encode_jpeg, encode_png
from seewhy.imaging.geometry import covered_rectangle
from seewhy.imaging.maps import Polarity
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.imaging.rendering.colormaps import COLORMAPS, DIVERGING, color_table, zero_step
from seewhy.imaging.rendering.overlay import heatmap, overlay
from seewhy.schemas.geometry import Rectangle

IMAGE = images.to_array(images.gradient(40, 24))
WHOLE = covered_rectangle(40, 24, rule="stretch", fraction=1)
SQUARE = covered_rectangle(40, 24, rule="crop", fraction=0.5)
LEFT_CELL = np.array([[1, 0]], np.float32)


def drawn(signed: np.ndarray, *, scale: float = 1.0, **options: Any) -> np.ndarray:
    """Draw a map with one pixel per cell."""
    height, width = signed.shape
    whole = covered_rectangle(width, height, rule="stretch", fraction=1)
    return heatmap(
        signed, rectangle=whole, width_px=width, height_px=height, scale=scale, **options
    )


@pytest.mark.parametrize("name", COLORMAPS)
def test_a_colormap_has_256_read_only_colors(name: str) -> None:
    colors = color_table(name)
    assert colors.shape == (256, 3)
    assert colors.dtype == np.uint8
    assert not colors.flags.writeable
    assert len(np.unique(colors, axis=0)) > 200


def test_colormaps_have_their_published_end_colors_in_rgb() -> None:
    assert color_table("inferno")[255].tolist() == [252, 255, 164]
    assert color_table("viridis")[0].tolist() == [68, 1, 84]
    assert color_table("jet")[0].tolist() == [0, 0, 128]


@pytest.mark.parametrize("name", ["inferno", "magma", "viridis", "cividis", "gray"])
def test_stronger_evidence_is_lighter(name: str) -> None:
    lightness = color_table(name) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > -0.8).all()


def test_the_diverging_colormap_is_white_at_zero_blue_below_and_red_above() -> None:
    colors = color_table(DIVERGING).astype(int)
    assert colors[zero_step(DIVERGING)].tolist() == [247, 247, 247]
    assert colors[1].tolist() == [33, 102, 172]
    assert colors[255].tolist() == [202, 0, 32]


def test_an_unknown_colormap_is_refused_with_the_available_names() -> None:
    with pytest.raises(InvalidRequest, match="inferno, viridis, magma, cividis, turbo, jet"):
        drawn(LEFT_CELL, colormap="rainbow")


def test_evidence_is_colored_by_its_share_of_the_scale() -> None:
    colors = color_table("inferno")
    row = drawn(np.array([[0, 1, 2, 4, 9]], np.float32), scale=4)[0]
    assert row[:, :3].tolist() == colors[[0, 64, 128, 255, 255]].tolist()
    assert (row[:, 3] == 255).all()


def test_values_are_interpolated_before_they_are_colored() -> None:
    row = heatmap(LEFT_CELL, rectangle=WHOLE, width_px=40, height_px=24, scale=1)[12, :, :3]
    steps = np.clip((1 - (np.arange(40) + 0.5 - 10) / 20) * 255, 0, 255).round().astype(int)
    assert np.abs(row.astype(int) - color_table("inferno")[steps]).max() <= 4


def test_a_heatmap_is_transparent_outside_its_rectangle() -> None:
    drawn_image = heatmap(LEFT_CELL, rectangle=SQUARE, width_px=40, height_px=24, scale=1)
    opaque = np.zeros((24, 40), bool)
    opaque[6:18, 14:26] = True
    assert np.array_equal(drawn_image[..., 3] == 255, opaque)
    assert not drawn_image[~opaque].any()


def test_negative_polarity_draws_evidence_against_the_class() -> None:
    assert np.array_equal(drawn(-LEFT_CELL, polarity="negative"), drawn(LEFT_CELL))
    assert np.array_equal(drawn(-LEFT_CELL), drawn(0 * LEFT_CELL))


def test_signed_maps_are_white_at_zero_and_symmetric() -> None:
    row = drawn(np.array([[-2, -1, 0, 1, 2]], np.float32), scale=2, polarity="signed")[0, :, :3]
    expected = [color_table(DIVERGING)[step] for step in (1, 64, 128, 192, 255)]
    assert np.abs(row.astype(int) - np.array(expected, int)).max() <= 2


def test_signed_evidence_beyond_the_scale_has_the_strongest_color() -> None:
    row = drawn(np.array([[-9, 9]], np.float32), scale=2, polarity="signed")[0, :, :3]
    assert row.tolist() == color_table(DIVERGING)[[1, 255]].tolist()


def test_evidence_against_is_blue_in_each_polarity() -> None:
    one_sided = drawn(-LEFT_CELL, polarity="negative", colormap=DIVERGING)
    assert np.array_equal(one_sided, drawn(-LEFT_CELL, polarity="signed"))


def test_signed_maps_require_the_diverging_colormap() -> None:
    with pytest.raises(InvalidRequest, match=DIVERGING):
        drawn(LEFT_CELL, polarity="signed", colormap="inferno")


@pytest.mark.parametrize("polarity", ["positive", "negative", "signed"])
@pytest.mark.parametrize(
    "signed", [np.zeros((3, 3), np.float32), np.full((3, 3), np.nan, np.float32)]
)
@pytest.mark.parametrize("scale", [0.0, 1.0, float("nan"), float("inf"), -1.0])
def test_without_evidence_the_image_does_not_change(
    signed: np.ndarray, scale: float, polarity: Polarity
) -> None:
    assert np.array_equal(
        overlay(IMAGE, signed, rectangle=WHOLE, scale=scale, polarity=polarity), IMAGE
    )


def test_an_all_negative_map_does_not_change_the_image() -> None:
    signed = np.full((3, 3), -5, np.float32)
    assert np.array_equal(overlay(IMAGE, signed, rectangle=WHOLE, scale=5), IMAGE)


def test_the_image_does_not_change_outside_the_rectangle() -> None:
    evidence = np.ones((3, 3), np.float32)
    drawn_image = overlay(IMAGE, evidence, rectangle=SQUARE, scale=1)
    changed = (drawn_image != IMAGE).any(axis=-1)
    assert changed[6:18, 14:26].all()
    changed[6:18, 14:26] = False
    assert not changed.any()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("strength", [0.0, 0.25, 0.5, 1.0])
def test_opacity_grows_with_the_evidence_up_to_alpha(alpha: float, strength: float) -> None:
    signed = np.full((2, 2), strength, np.float32)
    drawn_image = overlay(IMAGE, signed, rectangle=WHOLE, scale=1, alpha=alpha)
    step = round(strength * 255)
    opacity = alpha * step / 255
    expected = IMAGE * (1 - opacity) + color_table("inferno")[step] * opacity
    assert np.abs(drawn_image - expected).max() <= 1.5


def test_the_given_image_is_not_changed() -> None:
    image = IMAGE.copy()
    overlay(image, np.ones((2, 2), np.float32), rectangle=WHOLE, scale=1)
    assert np.array_equal(image, IMAGE)


@pytest.mark.parametrize("width_px", [16_384, 65_500])
def test_the_widest_images_that_a_setting_allows_can_be_drawn(width_px: int) -> None:
    flat = np.zeros((2, width_px, 3), np.uint8)
    whole = covered_rectangle(width_px, 2, rule="stretch", fraction=1)
    classic = classic_overlay(flat, LEFT_CELL, rectangle=whole)
    for drawn_image in (overlay(flat, LEFT_CELL, rectangle=whole, scale=1), classic):
        assert header_of(encode_jpeg(drawn_image), max_side_px=width_px).width_px == width_px
    transparent = heatmap(LEFT_CELL, rectangle=whole, width_px=width_px, height_px=2, scale=1)
    assert header_of(encode_png(transparent), max_side_px=width_px).width_px == width_px


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_an_alpha_outside_0_to_1_is_refused(alpha: float) -> None:
    with pytest.raises(InvalidRequest, match="alpha"):
        overlay(IMAGE, LEFT_CELL, rectangle=WHOLE, scale=1, alpha=alpha)


@given(
    signed=arrays.arrays(np.float32, (3, 4), elements=st.floats(width=32)),
    scale=st.floats(),
    polarity=st.sampled_from(["positive", "negative", "signed"]),
    side=st.floats(0, 60),
)
def test_every_map_and_scale_can_be_drawn(
    signed: np.ndarray, scale: float, polarity: Polarity, side: float
) -> None:
    rectangle = Rectangle(x=3, y=2, width=side, height=side)
    drawn_image = overlay(IMAGE, signed, rectangle=rectangle, scale=scale, polarity=polarity)
    assert drawn_image.shape == IMAGE.shape
    assert drawn_image.dtype == np.uint8
