"""Pictures: looking at an upload, decoding it, encoding what was drawn."""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile as PillowFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from seewhy.errors import BrokenImage, EmptyImage, ImageTooLarge
from seewhy.imaging.containers import parse_container

Pixels = NDArray[np.uint8]

# The classes themselves, not Image.open: it tries other formats (MPO) and warns of large pictures
# against a limit of the whole process.
_DECODERS: dict[str, type[PillowFile]] = {
    "image/jpeg": JpegImageFile,
    "image/png": PngImageFile,
    "image/webp": WebPImageFile,
}
_DECODER_ERRORS = (
    EOFError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
# EXIF 2.32, tag 0x0112: how the stored rows and columns become upright ones.
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: stored.transpose(1, 0, 2)[:, ::-1],
    7: lambda stored: stored.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda stored: stored.transpose(1, 0, 2)[::-1],
}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the header says of a picture, EXIF orientation applied."""

    media_type: str
    width_px: int
    height_px: int


def read_header(body: bytes, *, max_bytes: int, max_pixels: int) -> ImageHeader:
    """Look at a picture without decoding it: its type, its size, and that it is all there.

    Raises `EmptyImage`, `ImageTooLarge` (bytes or pixels), `UnsupportedImage`, `BrokenImage`.
    """
    if len(body) > max_bytes:
        raise ImageTooLarge(f"the picture has {len(body)} bytes; {max_bytes} are allowed")
    with _opened(body, max_pixels=max_pixels) as (_, info, _):
        return info


def decode(body: bytes, *, max_pixels: int) -> Pixels:
    """Decode to RGB, `(height, width, 3)`, upright, of exactly the size that `read_header` names.

    Transparency is laid on white; of an animation, the first frame counts; colour profiles are
    not applied. Raises as `read_header` does. A JPEG cut short and closed again by an end marker
    cannot be told from a whole one and keeps the grey that its decoder fills in.
    """
    with _opened(body, max_pixels=max_pixels) as (image, info, orientation):
        upright = np.ascontiguousarray(_UPRIGHT[orientation](_rgb(image)))
    if upright.shape != (info.height_px, info.width_px, 3):
        raise BrokenImage("the picture is not of the size that its header names")
    return upright


def encode_jpeg(rgb: Pixels, *, quality: int = 90) -> bytes:
    """Encode `(height, width, 3)` RGB."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return _encoded(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)


def encode_png(pixels: Pixels) -> bytes:
    """Encode `(height, width, 3)` RGB, `(height, width, 4)` RGBA or `(height, width)` grey."""
    if pixels.ndim == 2:
        return _encoded(".png", pixels, [])
    swap = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return _encoded(".png", cv2.cvtColor(pixels, swap), [])


def _encoded(suffix: str, pixels: NDArray[Any], options: list[int]) -> bytes:
    done, encoded = cv2.imencode(suffix, pixels, options)
    if not done:
        raise ValueError(f"OpenCV cannot write {pixels.shape} as {suffix}")
    return encoded.tobytes()


@contextmanager
def _opened(body: bytes, *, max_pixels: int) -> Iterator[tuple[PillowFile, ImageHeader, int]]:
    """Open without decoding; inside the block, the decoder's errors become `BrokenImage`."""
    if not body:
        raise EmptyImage("the picture has no bytes")
    file = parse_container(body)
    try:
        image = _DECODERS[file.media_type](BytesIO(file.body))
        width_px, height_px = image.size
        if width_px * height_px > max_pixels:
            raise ImageTooLarge(
                f"the picture has {width_px} by {height_px} pixels; {max_pixels} are allowed"
            )
        if not file.whole:
            raise BrokenImage("the picture ends too early")
        if file.orientation >= 5:
            width_px, height_px = height_px, width_px
        yield image, ImageHeader(file.media_type, width_px, height_px), file.orientation
    except Image.DecompressionBombError as error:
        raise ImageTooLarge("the picture has more pixels than can be decoded safely") from error
    except _DECODER_ERRORS as error:
        raise BrokenImage("the picture is damaged or of a kind that cannot be decoded") from error


def _rgb(image: Image.Image) -> Pixels:
    """Decode, as stored: `(height, width, 3)`."""
    if image.mode.startswith("I"):
        return _from_deep_grey(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white
    return np.asarray(image.convert("RGB"))


def _from_deep_grey(image: Image.Image) -> Pixels:
    """Keep the high byte of 16-bit grey, which Pillow would clip at 255."""
    deep = np.asarray(image)
    grey = (deep >> 8).astype(np.uint8)
    grey[deep == image.info.get("transparency", -1)] = 255
    return np.stack([grey] * 3, axis=-1)
