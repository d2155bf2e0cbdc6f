"""Embedded color profiles: what they mean is converted to sRGB, and a bad one changes nothing."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

import icc_profiles
from icc_profiles import ADOBE_GAMMA, ADOBE_RGB, DISPLAY_P3, SRGB
from images import (
    FORMATS,
    decode_checked,
    encoded,
    gradient,
    header_of,
    jpeg_segment,
    png_chunk,
    to_array,
)
from seewhy.imaging.color_profiles import (
    MAX_PROFILE_BYTES,
    MAX_TAGS,
    _mode_of,
    conversion_to_srgb,
)

ADOBE = icc_profiles.rgb_profile(ADOBE_RGB, [ADOBE_GAMMA])
P3 = icc_profiles.rgb_profile(DISPLAY_P3, icc_profiles.srgb_samples())
COLORS = np.array(
    [
        [[200, 100, 50], [50, 100, 200], [255, 255, 255], [0, 0, 0]],
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]],
        [[90, 160, 90], [240, 230, 140], [1, 2, 3], [254, 128, 0]],
    ],
    np.uint8,
)


def decoded(image: Image.Image, kind: str, profile: bytes, **options: object) -> NDArray[np.uint8]:
    return decode_checked(encoded(image, kind, icc_profile=profile, **options))


def difference(found: NDArray[np.uint8], expected: NDArray[np.float64]) -> float:
    return float(np.abs(found - expected).max())


@pytest.mark.parametrize(
    ("profile", "primaries", "gamma"),
    [(ADOBE, ADOBE_RGB, ADOBE_GAMMA), (P3, DISPLAY_P3, None)],
    ids=["Adobe RGB", "Display P3"],
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_colors_of_a_wide_profile_become_those_of_srgb(
    kind: str, profile: bytes, primaries: icc_profiles.Matrix, gamma: float | None
) -> None:
    expected = icc_profiles.to_srgb(COLORS, primaries, gamma)
    found = decoded(Image.fromarray(COLORS), kind, profile)
    assert difference(found, expected) <= 2
    assert difference(COLORS, expected) > 20, "the profile changes something"


def test_a_jpeg_is_converted_after_it_is_decoded() -> None:
    flat = Image.new("RGB", (16, 16), (200, 100, 50))
    expected = icc_profiles.to_srgb(to_array(flat), ADOBE_RGB, ADOBE_GAMMA)
    assert difference(decoded(flat, "JPEG", ADOBE), expected) <= 4


@pytest.mark.parametrize("kind", FORMATS)
def test_orientation_and_profile_are_applied_together(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = decode_checked(encoded(gradient(), kind, exif=exif.tobytes()))
    found = decoded(gradient(), kind, ADOBE, exif=exif.tobytes())
    assert difference(found, icc_profiles.to_srgb(plain, ADOBE_RGB, ADOBE_GAMMA)) <= 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_colors_are_converted_before_they_are_composited_on_white(kind: str) -> None:
    rgba = np.dstack([COLORS, np.full((3, 4), 128, np.uint8)])
    rgba[0, 0, 3], rgba[0, 1, 3] = 0, 255
    alpha = rgba[..., 3:] / 255
    expected = icc_profiles.to_srgb(COLORS, ADOBE_RGB, ADOBE_GAMMA) * alpha + 255 * (1 - alpha)
    assert difference(decoded(Image.fromarray(rgba), kind, ADOBE), expected) <= 2


def test_a_palette_is_converted() -> None:
    palette = Image.fromarray(COLORS).quantize(12)
    assert palette.mode == "P"
    expected = icc_profiles.to_srgb(to_array(palette), ADOBE_RGB, ADOBE_GAMMA)
    assert difference(decoded(palette, "PNG", ADOBE), expected) <= 2
    transparent = decoded(palette, "PNG", ADOBE, transparency=bytes([0] * 12))
    assert (transparent == 255).all()


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "1"])
def test_gray_is_converted_by_a_profile_of_gray(mode: str) -> None:
    ramp = np.arange(0, 256, dtype=np.uint8).reshape(8, 32)
    image = Image.fromarray(ramp)
    if mode == "I;16":
        image = Image.fromarray(ramp.astype(np.uint16) * 257)
    elif mode != "L":
        image = image.convert(mode)
    shown = np.asarray(image.convert("RGB"))[..., 0] if mode == "1" else ramp
    expected = icc_profiles.gray_to_srgb(shown, 1.8)
    found = decoded(image, "PNG", icc_profiles.gray_profile(1.8))
    assert difference(found, np.stack([expected] * 3, axis=-1)) <= 2


def inks(black: int) -> Image.Image:
    return Image.new("CMYK", (16, 16), (30, 60, 90, black))


@pytest.mark.parametrize(("black", "lightness"), [(0, 100), (255, 0), (102, 60)])
def test_inks_are_converted_by_a_profile_of_inks(black: int, lightness: float) -> None:
    found = decoded(inks(black), "JPEG", icc_profiles.ink_profile())
    expected = icc_profiles.lightness_to_srgb(lightness) if lightness else 0
    assert np.abs(found - expected).max() <= 3


def without_adobe_marker(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    length = struct.unpack_from(">H", jpeg, start + 2)[0]
    return jpeg[:start] + jpeg[start + 2 + length :]


@pytest.mark.parametrize("profile", [b"", icc_profiles.ink_profile()], ids=["plain", "profile"])
def test_inks_are_stored_inverted_only_behind_adobes_marker(profile: bytes) -> None:
    """Pillow writes the marker, and inverts. `inverted` holds the same inks as they are."""
    marked = encoded(inks(102), "JPEG", icc_profile=profile)
    inverted = Image.fromarray(255 - np.asarray(inks(102)), "CMYK")
    plain = without_adobe_marker(encoded(inverted, "JPEG", icc_profile=profile))
    assert b"Adobe" in marked
    assert b"Adobe" not in plain
    assert np.abs(decode_checked(plain).astype(int) - decode_checked(marked)).max() <= 2
    assert not np.array_equal(decode_checked(marked), decode_checked(without_adobe_marker(marked)))


def test_a_jpeg_of_rgb_behind_adobes_marker_keeps_its_colors() -> None:
    flat = Image.new("RGB", (16, 16), (180, 90, 40))
    body = encoded(flat, "JPEG", keep_rgb=True)
    assert b"Adobe" in body
    assert np.abs(decode_checked(body).astype(int) - to_array(flat)).max() <= 3


@pytest.mark.parametrize(
    "profile",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        icc_profiles.rgb_profile(SRGB, icc_profiles.srgb_samples()),
    ],
    ids=["of LittleCMS", "of the tests"],
)
def test_a_profile_of_srgb_changes_no_pixel(profile: bytes) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    assert np.array_equal(decoded(Image.fromarray(noise), "PNG", profile), noise)


def bad_profiles() -> dict[str, bytes]:
    far = struct.pack(">I", 0xFFFFFFFF)
    many = struct.pack(">I", MAX_TAGS + 1)
    return {
        "text": b"not a profile",
        "header only": ADOBE[:128],
        "cut": ADOBE[:-20],
        "longer than it says": ADOBE + bytes(8),
        "no signature": ADOBE[:36] + b"none" + ADOBE[40:],
        "a device link": ADOBE[:12] + b"link" + ADOBE[16:],
        "another connection space": ADOBE[:20] + b"RGB " + ADOBE[24:],
        "another color space": icc_profiles.gray_profile(1.0),
        "inks": icc_profiles.ink_profile(),
        "many tags": ADOBE[:128] + many + ADOBE[132:],
        "a tag outside": ADOBE[:136] + far + ADOBE[140:],
        "a tag in the table": ADOBE[:136] + struct.pack(">I", 4) + ADOBE[140:],
        "a tag of another type": ADOBE.replace(b"curv", b"mft2"),
        "no tags": struct.pack(">I", 132) + ADOBE[4:128] + bytes(4),
        "too large": struct.pack(">I", len(ADOBE) + MAX_PROFILE_BYTES)
        + ADOBE[4:]
        + bytes(MAX_PROFILE_BYTES),
    }


@pytest.mark.parametrize("name", bad_profiles())
def test_a_profile_that_is_damaged_or_does_not_fit_is_ignored(name: str) -> None:
    found = decoded(Image.fromarray(COLORS), "PNG", bad_profiles()[name])
    assert np.array_equal(found, COLORS)


def table_profile(kind: bytes, grid: int, *, table_bytes: int) -> bytes:
    """Build a profile of inks whose table claims `grid` nodes for each ink."""
    if kind == b"mAB ":
        table = bytes([grid] * 4 + [0] * 12 + [1, 0, 0, 0]) + bytes(table_bytes)
        element = kind + bytes(4) + bytes([4, 3, 0, 0]) + struct.pack(">5I", 0, 0, 0, 32, 0) + table
    else:
        element = kind + bytes(4) + bytes([4, 3, grid, 0]) + bytes(40 + table_bytes)
    return icc_profiles.profile(b"CMYK", b"Lab ", {b"A2B0": element})


@pytest.mark.parametrize("kind", [b"mft1", b"mft2", b"mAB "])
def test_a_profile_without_the_table_that_it_claims_is_ignored(kind: bytes) -> None:
    """LittleCMS would allocate 74 to the power of 4 nodes. Of this size, the first table fits."""
    samples = 3 * (2 if kind == b"mft2" else 1)
    assert _mode_of(table_profile(kind, 2, table_bytes=16 * samples)) == "CMYK"
    assert _mode_of(table_profile(kind, 74, table_bytes=16 * samples)) is None
    assert _mode_of(table_profile(b"mpet", 2, table_bytes=1_000)) is None


def test_a_compressed_bomb_is_no_profile() -> None:
    plain = encoded(Image.fromarray(COLORS), "PNG")
    for data in (
        zlib.compress(bytes(200_000_000), 9),
        b"not compressed",
        b"",
        zlib.compress(P3)[:-9],
    ):
        body = plain[:33] + png_chunk(b"iCCP", b"name\0\0" + data) + plain[33:]
        assert np.array_equal(decode_checked(body), COLORS)


def split_profile(jpeg: bytes, order: list[int], count: int) -> bytes:
    """Put the Adobe profile into a JPEG in parts: numbers from 1, with a claimed count."""
    size = -(-len(ADOBE) // 3)
    parts = [ADOBE[start : start + size] for start in range(0, len(ADOBE), size)]
    segments = b"".join(
        jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes([number, count]) + parts[number - 1])
        for number in order
    )
    return jpeg[:2] + segments + jpeg[2:]


def test_the_parts_of_a_profile_are_joined_by_their_numbers() -> None:
    jpeg = encoded(Image.new("RGB", (16, 16), (200, 100, 50)), "JPEG")
    whole = decoded(Image.new("RGB", (16, 16), (200, 100, 50)), "JPEG", ADOBE)
    for order in ([1, 2, 3], [3, 1, 2]):
        assert np.array_equal(decode_checked(split_profile(jpeg, order, 3)), whole)
    for order, count in (([1, 2], 3), ([1, 2, 2], 3), ([1, 2, 3], 2), ([1, 2, 3, 3], 4)):
        body = split_profile(jpeg, order, count)
        assert np.array_equal(decode_checked(body), decode_checked(jpeg)), order


def test_a_header_is_read_without_its_profile() -> None:
    body = encoded(Image.fromarray(COLORS), "PNG", icc_profile=ADOBE)
    assert (header_of(body).width_px, header_of(body).height_px) == (4, 3)


@settings(max_examples=300)
@given(
    name=st.sampled_from(["RGB", "L", "CMYK"]),
    changes=st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_mutated_profile_converts_or_is_ignored(
    name: str, changes: list[tuple[int, int]]
) -> None:
    sources = {
        "RGB": ADOBE,
        "L": icc_profiles.gray_profile(2.2),
        "CMYK": icc_profiles.ink_profile(),
    }
    mutated = bytearray(sources[name])
    for position, value in changes:
        mutated[position % len(mutated)] = value
    convert = conversion_to_srgb(bytes(mutated), name)
    if convert is not None:
        assert convert(Image.new(name, (3, 2))).mode == "RGB"


def test_bad_profiles_write_nothing_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    for profile in bad_profiles().values():
        decoded(Image.fromarray(COLORS), "PNG", profile)
    conversion_to_srgb(ADOBE.replace(b"curv", b"mft2"), "RGB")
    assert capfd.readouterr().err == ""


def test_pillow_reads_the_same_profile_from_each_file() -> None:
    for kind in FORMATS:
        with Image.open(BytesIO(encoded(gradient(), kind, icc_profile=P3))) as image:
            assert image.info["icc_profile"] == P3
