"""Heatmaps and overlays show the numbers, where they belong, and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import images
from seewhy.errors import InvalidRequest
from seewhy.imaging.geometry import covered_rectangle
from seewhy.imaging.maps import Polarity
from seewhy.imaging.rendering.colormaps import COLORMAPS, DIVERGING, color_table, zero_step
from seewhy.imaging.rendering.overlay import heatmap, overlay
from seewhy.schemas.geometry import Rectangle

PHOTO = images.pixels(images.gradient(40, 24))
WHOLE = covered_rectangle(40, 24, rule="stretch", fraction=1)
SQUARE = covered_rectangle(40, 24, rule="crop", fraction=0.5)
HOT_LEFT = np.array([[1, 0]], np.float32)


def drawn(signed: np.ndarray, *, scale: float = 1.0, **options: object) -> np.ndarray:
    """Draw a map with one pixel per cell."""
    height, width = signed.shape
    whole = covered_rectangle(width, height, rule="stretch", fraction=1)
    return heatmap(
        signed, rectangle=whole, width_px=width, height_px=height, scale=scale, **options
    )


@pytest.mark.parametrize("name", COLORMAPS)
def test_a_colormap_is_256_read_only_colours(name: str) -> None:
    colours = color_table(name)
    assert colours.shape == (256, 3)
    assert colours.dtype == np.uint8
    assert not colours.flags.writeable
    assert len(np.unique(colours, axis=0)) > 200


def test_colormaps_have_their_known_ends_in_rgb() -> None:
    assert color_table("inferno")[255].tolist() == [252, 255, 164]
    assert color_table("viridis")[0].tolist() == [68, 1, 84]
    assert color_table("jet")[0].tolist() == [0, 0, 128]


@pytest.mark.parametrize("name", ["inferno", "magma", "viridis"])
def test_more_heat_is_lighter(name: str) -> None:
    lightness = color_table(name) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > -0.8).all()


def test_the_diverging_colormap_is_white_at_zero_blue_below_and_red_above() -> None:
    colours = color_table(DIVERGING).astype(int)
    assert colours[zero_step(DIVERGING)].tolist() == [247, 247, 247]
    assert colours[1].tolist() == [33, 102, 172]
    assert colours[255].tolist() == [202, 0, 32]


def test_an_unknown_colormap_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidRequest, match="inferno, viridis, magma, turbo, jet"):
        drawn(HOT_LEFT, colormap="rainbow")


def test_heat_is_coloured_by_its_share_of_the_scale() -> None:
    colours = color_table("inferno")
    row = drawn(np.array([[0, 1, 2, 4, 9]], np.float32), scale=4)[0]
    assert row[:, :3].tolist() == colours[[0, 64, 128, 255, 255]].tolist()
    assert (row[:, 3] == 255).all()


def test_numbers_are_interpolated_before_they_are_coloured() -> None:
    row = heatmap(HOT_LEFT, rectangle=WHOLE, width_px=40, height_px=24, scale=1)[12, :, :3]
    steps = np.clip((1 - (np.arange(40) + 0.5 - 10) / 20) * 255, 0, 255).round().astype(int)
    assert np.abs(row.astype(int) - color_table("inferno")[steps]).max() <= 4


def test_a_heatmap_is_transparent_outside_what_the_map_covers() -> None:
    picture = heatmap(HOT_LEFT, rectangle=SQUARE, width_px=40, height_px=24, scale=1)
    opaque = np.zeros((24, 40), bool)
    opaque[6:18, 14:26] = True
    assert np.array_equal(picture[..., 3] == 255, opaque)
    assert not picture[~opaque].any()


def test_against_is_drawn_by_negative_polarity() -> None:
    assert np.array_equal(drawn(-HOT_LEFT, polarity="negative"), drawn(HOT_LEFT))
    assert np.array_equal(drawn(-HOT_LEFT), drawn(0 * HOT_LEFT))


def test_signed_maps_are_white_at_zero_and_symmetric() -> None:
    row = drawn(np.array([[-2, -1, 0, 1, 2]], np.float32), scale=2, polarity="signed")[0, :, :3]
    expected = [color_table(DIVERGING)[step] for step in (1, 64, 128, 192, 255)]
    assert np.abs(row.astype(int) - np.array(expected, int)).max() <= 2


def test_signed_evidence_beyond_the_scale_is_full_heat() -> None:
    row = drawn(np.array([[-9, 9]], np.float32), scale=2, polarity="signed")[0, :, :3]
    assert row.tolist() == color_table(DIVERGING)[[1, 255]].tolist()


def test_evidence_against_is_blue_whichever_polarity_shows_it() -> None:
    one_sided = drawn(-HOT_LEFT, polarity="negative", colormap=DIVERGING)
    assert np.array_equal(one_sided, drawn(-HOT_LEFT, polarity="signed"))


def test_signed_maps_refuse_a_colormap_without_a_middle() -> None:
    with pytest.raises(InvalidRequest, match=DIVERGING):
        drawn(HOT_LEFT, polarity="signed", colormap="inferno")


@pytest.mark.parametrize("polarity", ["positive", "negative", "signed"])
@pytest.mark.parametrize(
    "signed", [np.zeros((3, 3), np.float32), np.full((3, 3), np.nan, np.float32)]
)
@pytest.mark.parametrize("scale", [0.0, 1.0, float("nan"), float("inf"), -1.0])
def test_without_evidence_the_photo_stays_as_it_is(
    signed: np.ndarray, scale: float, polarity: Polarity
) -> None:
    assert np.array_equal(
        overlay(PHOTO, signed, rectangle=WHOLE, scale=scale, polarity=polarity), PHOTO
    )


def test_an_all_negative_map_leaves_the_photo_as_it_is() -> None:
    signed = np.full((3, 3), -5, np.float32)
    assert np.array_equal(overlay(PHOTO, signed, rectangle=WHOLE, scale=5), PHOTO)


def test_outside_what_the_map_covers_the_photo_stays_as_it_is() -> None:
    hot = np.ones((3, 3), np.float32)
    picture = overlay(PHOTO, hot, rectangle=SQUARE, scale=1)
    changed = (picture != PHOTO).any(axis=-1)
    assert changed[6:18, 14:26].all()
    changed[6:18, 14:26] = False
    assert not changed.any()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("heat", [0.0, 0.25, 0.5, 1.0])
def test_opacity_grows_with_the_heat_up_to_alpha(alpha: float, heat: float) -> None:
    signed = np.full((2, 2), heat, np.float32)
    picture = overlay(PHOTO, signed, rectangle=WHOLE, scale=1, alpha=alpha)
    step = round(heat * 255)
    opacity = alpha * step / 255
    expected = PHOTO * (1 - opacity) + color_table("inferno")[step] * opacity
    assert np.abs(picture - expected).max() <= 1.5


def test_the_photo_that_was_handed_in_is_not_drawn_on() -> None:
    photo = PHOTO.copy()
    overlay(photo, np.ones((2, 2), np.float32), rectangle=WHOLE, scale=1)
    assert np.array_equal(photo, PHOTO)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_an_alpha_outside_nought_to_one_is_refused(alpha: float) -> None:
    with pytest.raises(InvalidRequest, match="alpha"):
        overlay(PHOTO, HOT_LEFT, rectangle=WHOLE, scale=1, alpha=alpha)


@settings(deadline=None)
@given(
    signed=arrays.arrays(np.float32, (3, 4), elements=st.floats(width=32)),
    scale=st.floats(),
    polarity=st.sampled_from(["positive", "negative", "signed"]),
    side=st.floats(0, 60),
)
def test_every_map_and_scale_gives_a_picture(
    signed: np.ndarray, scale: float, polarity: Polarity, side: float
) -> None:
    rectangle = Rectangle(x=3, y=2, width=side, height=side)
    picture = overlay(PHOTO, signed, rectangle=rectangle, scale=scale, polarity=polarity)
    assert picture.shape == PHOTO.shape
    assert picture.dtype == np.uint8
