"""Read the header of an image, decode it, and encode rendered images."""

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
from PIL import Image, ImageChops
from PIL.ImageFile import ImageFile as PillowFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from seewhy.errors import BrokenImage, EmptyImage, ImageTooLarge
from seewhy.imaging.arrays import ImageArray, row_bands
from seewhy.imaging.color_profiles import ToSrgb, conversion_to_srgb, inflate_profile
from seewhy.imaging.containers import ImageContainer, parse_container

WEBP_MAX_SIDE_PX = 16_383
"""The limit of the format."""

# Image.open would also try other formats (MPO) and apply a size limit of the whole process.
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
# EXIF 2.32, tag 0x0112: orientation to a function that views upright pixels in stored order.
_TO_STORED: dict[int, Callable[[ImageArray], ImageArray]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: upright.transpose(1, 0, 2)[::-1],
    7: lambda upright: upright.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda upright: upright.transpose(1, 0, 2)[:, ::-1],
}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """The type and size of an image, with the EXIF orientation applied."""

    media_type: str
    width_px: int
    height_px: int


def read_header(body: bytes, *, max_bytes: int, max_pixels: int, max_side_px: int) -> ImageHeader:
    """Read the type and size of an image and check that it is complete, without decoding it.

    Raises `EmptyImage`, `ImageTooLarge` (bytes, pixels or a side), `UnsupportedImage` and
    `BrokenImage`.
    """
    if len(body) > max_bytes:
        raise ImageTooLarge(f"the image has {len(body)} bytes; the limit is {max_bytes}")
    with _open(body, max_pixels=max_pixels) as (_, header, _):
        if max(header.width_px, header.height_px) > max_side_px:
            raise ImageTooLarge(
                f"the image has {header.width_px} by {header.height_px} pixels; the limit is "
                f"{max_side_px} pixels on each side"
            )
        return header


def decode(body: bytes, *, max_pixels: int) -> ImageArray:
    """Decode an image to upright RGB, `(height, width, 3)`, of the size in its header.

    Colors are converted from an embedded profile to sRGB. Transparent pixels are composited on
    white. Only the first frame of an animation is decoded. A truncated JPEG that ends with an end
    marker looks complete; the decoder fills the missing part with gray. Raises as `read_header`
    does. Its peak of memory is described in `seewhy.imaging.pixel_budget`.
    """
    with _open(body, max_pixels=max_pixels) as (image, header, container):
        width_px, height_px = image.size
        image.load()
        if image.size != (width_px, height_px):
            raise BrokenImage("the size of the image differs from its header")
        upright = np.empty((header.height_px, header.width_px, 3), np.uint8)
        stored = _TO_STORED[container.orientation](upright)
        to_srgb = _conversion(container, image)
        for rows in row_bands(height_px, width_px):
            box = (0, rows.start, width_px, rows.stop)
            band = image if rows.stop - rows.start == height_px else image.crop(box)
            stored[rows] = _to_rgb(band, to_srgb)
    return upright


def encode_jpeg(rgb: ImageArray, *, quality: int = 90) -> bytes:
    """Encode `(height, width, 3)` RGB as JPEG, with a quality of 0 to 100."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return _encode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)


def encode_webp(image: ImageArray, *, quality: int = 90) -> bytes:
    """Encode RGB `(height, width, 3)` or RGBA `(…, 4)` as WebP, with a quality of 0 to 100.

    Each side has at most `WEBP_MAX_SIDE_PX` pixels.
    """
    return _encode(".webp", _to_opencv(image), [cv2.IMWRITE_WEBP_QUALITY, quality])


def encode_mask_png(mask: ImageArray, *, bits: int) -> bytes:
    """Encode a mask `(height, width)` of 0 and 255 as PNG with 1 or 8 bits per pixel."""
    return _encode(".png", mask, [cv2.IMWRITE_PNG_BILEVEL, int(bits == 1)])


def encode_png(image: ImageArray) -> bytes:
    """Encode RGB `(height, width, 3)`, RGBA `(…, 4)` or gray `(height, width)` as PNG."""
    if image.ndim == 2:
        return _encode(".png", image, [])
    return _encode(".png", _to_opencv(image), [])


def _to_opencv(image: ImageArray) -> NDArray[Any]:
    swap = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return cv2.cvtColor(image, swap)


def _encode(suffix: str, image: NDArray[Any], options: list[int]) -> bytes:
    success, encoded = cv2.imencode(suffix, image, options)
    if not success:
        raise ValueError(f"OpenCV cannot write {image.shape} as {suffix}")
    return encoded.tobytes()


@contextmanager
def _open(
    body: bytes, *, max_pixels: int
) -> Iterator[tuple[PillowFile, ImageHeader, ImageContainer]]:
    """Open an image without decoding it; decoder errors in the block become `BrokenImage`."""
    if not body:
        raise EmptyImage("the image is empty")
    container = parse_container(body)
    try:
        image = _DECODERS[container.media_type](BytesIO(container.pixel_data))
        width_px, height_px = image.size
        if width_px * height_px > max_pixels:
            raise ImageTooLarge(
                f"the image has {width_px} by {height_px} pixels; the limit is {max_pixels} pixels"
            )
        if not container.complete:
            raise BrokenImage("the image is truncated")
        if container.orientation >= 5:
            width_px, height_px = height_px, width_px
        yield image, ImageHeader(container.media_type, width_px, height_px), container
    except Image.DecompressionBombError as error:
        raise ImageTooLarge("the image has too many pixels to decode safely") from error
    except _DECODER_ERRORS as error:
        raise BrokenImage("the image is damaged or has an unsupported feature") from error


def _conversion(container: ImageContainer, image: Image.Image) -> ToSrgb:
    """Return what converts opaque bands of an image (RGB, L or CMYK) to sRGB."""
    is_cmyk = image.mode == "CMYK"
    profile = container.profile
    if profile and container.media_type == "image/png":
        profile = inflate_profile(profile)
    convert = conversion_to_srgb(profile, "CMYK" if is_cmyk else "L" if _is_gray(image) else "RGB")
    convert = convert or _assume_srgb
    if is_cmyk and "adobe" not in image.info:
        # Pillow inverts every CMYK, but only files with Adobe's marker store it inverted.
        return lambda band: convert(ImageChops.invert(band))
    return convert


def _assume_srgb(band: Image.Image) -> Image.Image:
    return band if band.mode == "RGB" else band.convert("RGB")


def _to_rgb(band: Image.Image, to_srgb: ToSrgb) -> ImageArray:
    """Convert to sRGB on white, `(height, width, 3)`."""
    colors, alpha = _split_alpha(band)
    colors = to_srgb(colors)
    if alpha is None:
        return np.asarray(colors)
    white = Image.new("RGB", band.size, "white")
    white.paste(colors, mask=alpha)
    return np.asarray(white)


def _split_alpha(band: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colors of a band, as L, RGB or CMYK, and its alpha, if it has transparency."""
    if band.mode.startswith("I"):
        return _split_16_bit_gray(band)
    is_gray = _is_gray(band)
    if not band.has_transparency_data:
        mode = "CMYK" if band.mode == "CMYK" else "L" if is_gray else "RGB"
        return (band if band.mode == mode else band.convert(mode)), None
    rgba = band.convert("RGBA")
    return (rgba.getchannel("R") if is_gray else rgba.convert("RGB")), rgba.getchannel("A")


def _split_16_bit_gray(band: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Keep the high byte of 16-bit gray, which Pillow would clip at 255."""
    deep = np.asarray(band)
    gray = Image.fromarray((deep >> 8).astype(np.uint8))
    if "transparency" not in band.info:
        return gray, None
    opaque = deep != band.info["transparency"]
    return gray, Image.fromarray(opaque.astype(np.uint8) * np.uint8(255))


def _is_gray(image: Image.Image) -> bool:
    return image.mode[0] in "1IL"
