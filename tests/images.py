"""Generate valid and invalid image files."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seewhy.imaging.codecs import ImageHeader, decode, read_header

FORMATS = ("JPEG", "PNG", "WEBP")
ENCODER_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
}


def gradient(width_px: int = 40, height_px: int = 24) -> Image.Image:
    """Return a smooth image without symmetry, which differs in each orientation."""
    y, x = np.mgrid[0:height_px, 0:width_px]
    channels = (x * 255 / width_px, y * 255 / height_px, (x + 2 * y) * 255 / (width_px * 3))
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode with Pillow; JPEG with high quality, WebP lossless."""
    file = BytesIO()
    image.save(file, kind, **(ENCODER_OPTIONS.get(kind, {}) | options))
    return file.getvalue()


def with_orientation(orientation: int, kind: str) -> bytes:
    """Encode the gradient with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(gradient(), kind, exif=exif.tobytes())


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Build a PNG chunk with its checksum."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(
    width_px: int,
    height_px: int,
    *,
    depth: int,
    color_type: int,
    rows: bytes,
    extra: bytes = b"",
    interlaced: bool = False,
) -> bytes:
    """Build a PNG from filtered rows; `extra` goes between IHDR and IDAT."""
    header = struct.pack(">IIBBBBB", width_px, height_px, depth, color_type, 0, 0, interlaced)
    chunks = [
        png_chunk(b"IHDR", header),
        extra,
        png_chunk(b"IDAT", zlib.compress(rows)),
        png_chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    """Build a JPEG marker segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def with_claimed_size(jpeg: bytes, width_px: int, height_px: int) -> bytes:
    """Replace the size in the frame header of a baseline JPEG."""
    frame = jpeg.index(b"\xff\xc0")
    return jpeg[: frame + 5] + struct.pack(">HH", height_px, width_px) + jpeg[frame + 9 :]


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """Convert to an array, `(height, width, 3)` RGB."""
    return np.asarray(image.convert("RGB"))


ENCODED = {kind: encoded(gradient(), kind) for kind in FORMATS}


def header_of(
    body: bytes,
    *,
    max_bytes: int = 10_000_000,
    max_pixels: int = 25_000_000,
    max_side_px: int = 16_384,
) -> ImageHeader:
    """Read the header with the default limits of the service."""
    return read_header(body, max_bytes=max_bytes, max_pixels=max_pixels, max_side_px=max_side_px)


def decode_checked(body: bytes) -> NDArray[np.uint8]:
    """Decode, and check that the size is that of the header."""
    image = decode(body, max_pixels=25_000_000)
    header = header_of(body)
    assert image.shape == (header.height_px, header.width_px, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    return image
