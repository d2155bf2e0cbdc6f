"""Reading headers, decoding and encoding images of every kind."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import images
from images import ENCODED, FORMATS, decode_checked, encoded, gradient, header_of, png, png_chunk
from seewhy.imaging.codecs import ImageHeader, encode_jpeg, encode_png

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_header_has_type_and_size(kind: str) -> None:
    assert header_of(ENCODED[kind]) == ImageHeader(MEDIA_TYPES[kind], width_px=40, height_px=24)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_decodes_to_its_pixels(kind: str) -> None:
    error = np.abs(decode_checked(ENCODED[kind]).astype(int) - images.to_array(gradient()))
    assert error.max() <= (4 if kind == "JPEG" else 0)


@pytest.mark.parametrize("photo", sorted(PHOTOS.glob("*.jpg")), ids=lambda path: path.stem)
def test_real_photos_decode_as_pillow_decodes_them(photo: Path) -> None:
    with Image.open(photo) as image:
        assert np.array_equal(decode_checked(photo.read_bytes()), images.to_array(image))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_applies_it(kind: str, orientation: int) -> None:
    body = images.with_orientation(orientation, kind)
    with Image.open(BytesIO(body)) as image:
        upright = images.to_array(ImageOps.exif_transpose(image))
    assert np.array_equal(decode_checked(body), upright)
    assert (header_of(body).width_px > header_of(body).height_px) == (orientation < 5)


def tiff(order: str, entry: bytes) -> bytes:
    start = {"<": b"II*\x00", ">": b"MM\x00*"}[order] + struct.pack(order + "I", 8)
    return b"Exif\x00\x00" + start + struct.pack(order + "H", 1) + entry + b"\x00" * 4


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_read_in_both_byte_orders(order: str) -> None:
    exif = tiff(order, struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0))
    assert header_of(encoded(gradient(), "JPEG", exif=exif)).width_px == 24


@pytest.mark.parametrize(
    "exif",
    [
        tiff("<", struct.pack("<HHIHH", 0x0112, 3, 1, 0, 0)),
        tiff("<", struct.pack("<HHIHH", 0x0112, 3, 1, 9, 0)),
        tiff("<", struct.pack("<HHI4s", 0x0112, 2, 4, b"top\x00")),
        tiff("<", b"\x12\x01"),
        b"Exif\x00\x00II*\x00\xff\xff\xff\xff",
        b"Exif\x00\x00nonsense",
        b"Exif\x00\x00",
    ],
)
def test_an_invalid_orientation_is_ignored(exif: bytes) -> None:
    body = encoded(gradient(), "JPEG", exif=exif)
    assert np.array_equal(decode_checked(body), decode_checked(ENCODED["JPEG"]))


@pytest.mark.parametrize(
    ("options", "marker"),
    [({"progressive": True}, b"\xff\xda\x00\x08"), ({"restart_marker_blocks": 1}, b"\xff\xd0")],
)
def test_jpegs_with_scans_or_restart_markers_decode(options: dict[str, int], marker: bytes) -> None:
    body = encoded(gradient(), "JPEG", **options)
    assert marker in body
    assert np.abs(decode_checked(body).astype(int) - images.to_array(gradient())).max() <= 4


def test_an_mpo_file_is_a_jpeg() -> None:
    body = encoded(gradient(), "MPO", save_all=True, append_images=[gradient()], quality=95)
    assert header_of(body).media_type == "image/jpeg"
    assert decode_checked(body).shape == (24, 40, 3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_the_first_frame_of_an_animation_is_decoded(kind: str) -> None:
    inverted = ImageOps.invert(gradient())
    body = encoded(gradient(), kind, save_all=True, append_images=[inverted])
    assert np.array_equal(decode_checked(body), images.to_array(gradient()))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparency_is_composited_on_white(kind: str) -> None:
    image = Image.new("RGBA", (3, 1))
    image.putpixel((0, 0), (200, 0, 0, 255))
    image.putpixel((1, 0), (200, 0, 0, 0))
    image.putpixel((2, 0), (0, 0, 0, 128))
    assert decode_checked(encoded(image, kind)).tolist() == [
        [[200, 0, 0], [255, 255, 255], [127] * 3]
    ]


@pytest.mark.parametrize(
    ("body", "colors"),
    [
        pytest.param(
            png(
                2,
                1,
                depth=8,
                color_type=3,
                rows=b"\x00\x00\x01",
                extra=png_chunk(b"PLTE", bytes([9, 8, 7, 30, 20, 10])) + png_chunk(b"tRNS", b"\0"),
            ),
            [[255, 255, 255], [30, 20, 10]],
            id="a palette with a transparent entry",
        ),
        pytest.param(
            png(2, 1, depth=8, color_type=4, rows=bytes([0, 90, 255, 90, 0])),
            [[90, 90, 90], [255, 255, 255]],
            id="gray with alpha",
        ),
        pytest.param(
            png(2, 1, depth=1, color_type=0, rows=b"\x00\x40"),
            [[0, 0, 0], [255, 255, 255]],
            id="one bit",
        ),
        pytest.param(
            png(2, 1, depth=16, color_type=0, rows=b"\x00" + struct.pack(">HH", 0x80FF, 0x0100)),
            [[128, 128, 128], [1, 1, 1]],
            id="16-bit gray",
        ),
        pytest.param(
            png(
                2,
                1,
                depth=16,
                color_type=0,
                rows=b"\x00" + struct.pack(">HH", 0x80FF, 0x0100),
                extra=png_chunk(b"tRNS", b"\x01\x00"),
            ),
            [[128, 128, 128], [255, 255, 255]],
            id="16-bit gray with a transparent value",
        ),
        pytest.param(
            png(1, 1, depth=16, color_type=2, rows=b"\x00" + struct.pack(">HHH", 65535, 0x1234, 0)),
            [[255, 18, 0]],
            id="16-bit color",
        ),
    ],
)
def test_every_kind_of_png_keeps_its_colors(body: bytes, colors: list[list[int]]) -> None:
    assert decode_checked(body).tolist() == [colors]


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_with_one_and_four_channels_keep_their_colors(mode: str) -> None:
    flat = Image.new("RGB", (16, 16), (180, 90, 40)).convert(mode)
    assert (
        np.abs(decode_checked(encoded(flat, "JPEG")).astype(int) - images.to_array(flat)).max() <= 3
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 8192), (8192, 1)])
@pytest.mark.parametrize("kind", FORMATS)
def test_the_narrowest_images_decode(kind: str, size: tuple[int, int]) -> None:
    assert (decode_checked(encoded(Image.new("RGB", size, "red"), kind))[..., 0] > 250).all()


def test_png_round_trips_gray_color_and_transparency() -> None:
    rgb = images.to_array(gradient())
    rgba = np.dstack([rgb, np.arange(960, dtype=np.uint8).reshape(24, 40)])
    for array in (rgb[..., 0], rgb, rgba):
        with Image.open(BytesIO(encode_png(array))) as image:
            assert np.array_equal(np.asarray(image), array)


def test_jpeg_keeps_the_channel_order_and_obeys_quality() -> None:
    rgb = images.to_array(gradient())
    assert np.abs(decode_checked(encode_jpeg(rgb, quality=95)).astype(int) - rgb).mean() < 2
    assert len(encode_jpeg(rgb, quality=30)) < len(encode_jpeg(rgb))
