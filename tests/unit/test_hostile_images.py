"""Uploads that are not images, and images that attack the decoder."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import images
from images import ENCODED, FORMATS, decode_checked, encoded, gradient, header_of, png, png_chunk
from seewhy.errors import BadImage, BrokenImage, EmptyImage, ImageTooLarge, UnsupportedImage
from seewhy.imaging.codecs import decode
from seewhy.imaging.containers import MAX_SCANS, MAX_SEGMENTS, parse_container


def test_an_empty_upload_is_refused() -> None:
    with pytest.raises(EmptyImage):
        header_of(b"")
    with pytest.raises(EmptyImage):
        decode(b"", max_pixels=1)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"hello",
        b"<html><body>a photo</body></html>",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
        b"%PDF-1.7\n",
        b"PK\x03\x04" + b"\x00" * 40,
        b"\x7fELF" + b"\x00" * 40,
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"\x00\x00\x00\x18ftypheic" + b"\x00" * 40,
        encoded(gradient(), "GIF"),
        encoded(gradient(), "BMP"),
        encoded(gradient(), "TIFF"),
        encoded(gradient(), "ICO"),
    ],
)
def test_other_formats_are_refused(body: bytes) -> None:
    with pytest.raises(UnsupportedImage):
        header_of(body)
    with pytest.raises(UnsupportedImage):
        decode(body, max_pixels=25_000_000)


def test_an_image_with_too_many_bytes_is_refused() -> None:
    body = ENCODED["PNG"]
    assert header_of(body, max_bytes=len(body)).width_px == 40
    with pytest.raises(ImageTooLarge, match="bytes"):
        header_of(body, max_bytes=len(body) - 1)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_with_too_many_pixels_is_refused_before_decoding(kind: str) -> None:
    assert header_of(ENCODED[kind], max_pixels=40 * 24).width_px == 40
    with pytest.raises(ImageTooLarge, match="40 by 24"):
        header_of(ENCODED[kind], max_pixels=40 * 24 - 1)
    with pytest.raises(ImageTooLarge):
        decode(ENCODED[kind], max_pixels=40 * 24 - 1)


@pytest.mark.parametrize("size", [(1_001, 1), (1, 1_001)])
@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_with_a_side_beyond_the_limit_is_refused(kind: str, size: tuple[int, int]) -> None:
    body = encoded(Image.new("RGB", size), kind)
    assert header_of(body, max_side_px=1_001).media_type
    with pytest.raises(ImageTooLarge, match="limit is 1000 pixels on each side"):
        header_of(body, max_side_px=1_000)


@pytest.mark.parametrize(
    "body",
    [
        png(50_000, 50_000, depth=1, color_type=0, rows=b"\x00"),
        png(1, 2**31 - 1, depth=1, color_type=0, rows=b"\x00"),
        png(50_000, 50_000, depth=8, color_type=2, rows=b"\x00")[:-12],
        images.with_claimed_size(ENCODED["JPEG"], 65_535, 65_535),
        b"RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00" + b"\x02\x00\x00\x00" + b"\xff\xff\x00" * 2,
    ],
    ids=["small file", "thin", "cut", "jpeg", "webp"],
)
def test_a_header_that_claims_a_huge_size_is_refused_without_a_warning(body: bytes) -> None:
    with pytest.raises(ImageTooLarge):
        header_of(body)


def test_a_large_image_within_the_limit_raises_no_warning() -> None:
    body = png(10_000, 10_000, depth=1, color_type=0, rows=b"\x00" * 10_000 * 1_251)
    assert header_of(body, max_pixels=100_000_000).width_px == 10_000


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_image_is_refused(kind: str) -> None:
    body = encoded(Image.effect_noise((64, 48), 80), kind)
    for sixteenth in range(1, 16):
        cut = body[: max(12, len(body) * sixteenth // 16)]
        with pytest.raises(BrokenImage):
            header_of(cut)
        with pytest.raises(BrokenImage):
            decode(cut, max_pixels=25_000_000)
    assert parse_container(body).complete
    assert not parse_container(body[:-1]).complete


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_image() -> None:
    thumbnail = images.jpeg_segment(0xE1, b"Exif\x00\x00" + ENCODED["JPEG"])
    body = ENCODED["JPEG"][:2] + thumbnail + ENCODED["JPEG"][2:]
    assert np.array_equal(decode_checked(body), decode_checked(ENCODED["JPEG"]))
    with pytest.raises(BrokenImage):
        header_of(body[:-30])


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_after_the_image_are_ignored(kind: str) -> None:
    polyglot = ENCODED[kind] + b"PK\x03\x04<script>alert(1)</script>"
    assert np.array_equal(decode_checked(polyglot), decode_checked(ENCODED[kind]))


def test_a_jpeg_with_too_many_scans_is_refused() -> None:
    body = encoded(gradient(), "JPEG", progressive=True)
    last_scan = body[body.rindex(b"\xff\xda") : -2]
    with pytest.raises(BrokenImage, match="32 scans"):
        header_of(body[:-2] + last_scan * MAX_SCANS + body[-2:])


@pytest.mark.parametrize("filler", [b"\xff", b"\x00", b"\xff\x00"])
def test_bytes_between_segments_never_reach_the_decoder(filler: bytes) -> None:
    """Pillow skips them one by one, which takes ten seconds for ten megabytes."""
    tables = ENCODED["JPEG"].index(b"\xff\xdb")
    body = ENCODED["JPEG"][:tables] + filler * 1_000 + ENCODED["JPEG"][tables:]
    assert parse_container(body).pixel_data == ENCODED["JPEG"]
    assert np.array_equal(decode_checked(body), decode_checked(ENCODED["JPEG"]))


def test_files_with_too_many_segments_are_refused() -> None:
    comments = images.jpeg_segment(0xFE, b"") * (MAX_SEGMENTS + 1)
    chunks = png_chunk(b"teXt", b"") * (MAX_SEGMENTS + 1)
    riff = b"RIFF" + struct.pack("<I", 4 + 8 * (MAX_SEGMENTS + 1)) + b"WEBP"
    for body in (
        ENCODED["JPEG"][:2] + comments + ENCODED["JPEG"][2:],
        ENCODED["PNG"][:8] + chunks + ENCODED["PNG"][8:],
        riff + b"NONE\x00\x00\x00\x00" * (MAX_SEGMENTS + 1),
    ):
        with pytest.raises(BrokenImage, match="more"):
            header_of(body)


def test_compressed_text_and_profiles_are_not_decompressed() -> None:
    bomb = zlib.compress(b"\x00" * 50_000_000, 9)
    extra = png_chunk(b"zTXt", b"Comment\x00\x00" + bomb) * 8
    extra += png_chunk(b"iCCP", b"profile\x00\x00" + bomb)
    body = png(1, 1, depth=8, color_type=2, rows=b"\x00\x01\x02\x03", extra=extra)
    assert decode_checked(body).tolist() == [[[1, 2, 3]]]


def test_a_broken_animation_header_raises_no_warning() -> None:
    extra = png_chunk(b"acTL", struct.pack(">II", 0, 0))
    body = png(1, 1, depth=8, color_type=2, rows=b"\x00\x01\x02\x03", extra=extra)
    assert decode_checked(body).tolist() == [[[1, 2, 3]]]


def test_an_image_without_pixels_is_refused() -> None:
    for body in (
        png(0, 5, depth=8, color_type=0, rows=b""),
        images.with_claimed_size(ENCODED["JPEG"], 40, 0),
        b"\xff\xd8\xff\xd9",
    ):
        with pytest.raises(BrokenImage):
            header_of(body)


def test_decoding_never_writes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    noisy = encoded(Image.effect_noise((64, 64), 80), "JPEG")
    middle = len(noisy) // 2
    for body in (
        noisy[:middle] + b"\xff\xd9",
        noisy[:middle] + b"\x00" * 50 + noisy[middle:],
        ENCODED["PNG"][:60] + b"\x00" + ENCODED["PNG"][61:],
    ):
        try:
            decode_checked(body)
        except BadImage:
            continue
    assert capfd.readouterr().err == ""


@settings(max_examples=300)
@given(
    kind=st.sampled_from(FORMATS),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), max_size=8),
)
@example(kind="JPEG", cut=1.0, flips=[])
def test_damaged_images_raise_only_bad_image(
    kind: str, cut: float, flips: list[tuple[float, int]]
) -> None:
    damaged = bytearray(images.with_orientation(6, kind))
    for position, bit in flips:
        damaged[int(position * len(damaged))] ^= 1 << bit
    body = bytes(damaged[: round(cut * len(damaged))])
    try:
        header = header_of(body, max_pixels=10_000)
    except BadImage:
        header = None
    try:
        image = decode(body, max_pixels=10_000)
    except BadImage:
        return
    assert header is not None
    assert image.shape == (header.height_px, header.width_px, 3)


@settings(max_examples=200)
@given(
    start=st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\x00\x00\x00WEBP"]),
    rest=st.binary(max_size=300),
)
def test_random_bytes_after_a_valid_signature_are_refused(start: bytes, rest: bytes) -> None:
    with pytest.raises(BadImage):
        decode(start + rest, max_pixels=10_000)


def test_errors_do_not_repeat_the_upload() -> None:
    with pytest.raises(UnsupportedImage) as caught:
        header_of(b"<script>secret</script>")
    assert "secret" not in str(caught.value)
