"""Pictures made on the spot, good and bad."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seewhy.imaging.codecs import ImageHeader, decode, read_header

FORMATS = ("JPEG", "PNG", "WEBP")


def gradient(width_px: int = 40, height_px: int = 24) -> Image.Image:
    """Smooth and without any symmetry, so that every turn of it is another picture."""
    y, x = np.mgrid[0:height_px, 0:width_px]
    channels = (x * 255 / width_px, y * 255 / height_px, (x + 2 * y) * 255 / (width_px * 3))
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode with Pillow; JPEG at a quality that keeps colours."""
    file = BytesIO()
    defaults: dict[str, Any] = {
        "JPEG": {"quality": 95, "subsampling": 0},
        "WEBP": {"lossless": True, "exact": True},
    }.get(kind, {})
    image.save(file, kind, **(defaults | options))
    return file.getvalue()


def turned(orientation: int, kind: str) -> bytes:
    """Return the gradient with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(gradient(), kind, exif=exif.tobytes())


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Build one chunk with its checksum."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(
    width_px: int,
    height_px: int,
    *,
    depth: int,
    colour: int,
    rows: bytes,
    extra: bytes = b"",
) -> bytes:
    """Build a PNG from filtered rows; `extra` goes between IHDR and IDAT."""
    header = struct.pack(">IIBBBBB", width_px, height_px, depth, colour, 0, 0, 0)
    chunks = [
        png_chunk(b"IHDR", header),
        extra,
        png_chunk(b"IDAT", zlib.compress(rows)),
        png_chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    """Build one marker segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def claiming(jpeg: bytes, width_px: int, height_px: int) -> bytes:
    """Return a baseline JPEG whose frame header lies about its size."""
    frame = jpeg.index(b"\xff\xc0")
    return jpeg[: frame + 5] + struct.pack(">HH", height_px, width_px) + jpeg[frame + 9 :]


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Return `(height, width, 3)` RGB."""
    return np.asarray(image.convert("RGB"))


WHOLE = {kind: encoded(gradient(), kind) for kind in FORMATS}


def look(body: bytes, *, max_bytes: int = 10_000_000, max_pixels: int = 25_000_000) -> ImageHeader:
    """Inspect with the limits of a service."""
    return read_header(body, max_bytes=max_bytes, max_pixels=max_pixels)


def read(body: bytes) -> NDArray[np.uint8]:
    """Decode, and hold `read_header` to its word on the size."""
    picture = decode(body, max_pixels=25_000_000)
    info = look(body)
    assert picture.shape == (info.height_px, info.width_px, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    return picture
