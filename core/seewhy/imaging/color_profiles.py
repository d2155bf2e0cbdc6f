"""Convert pixels with an embedded ICC profile to sRGB, which models are trained on.

A profile that is damaged, does not fit the pixels or is as good as sRGB is not applied: as in
browsers, the pixels then count as sRGB. What a file says about its colors in other ways (`gAMA`,
`cHRM` and `cICP` of PNG, EXIF) is ignored.

Profiles come from clients, so their structure is checked before LittleCMS reads them (ICC.1:2022,
section 7).
"""

import math
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 4_000_000
"""Larger profiles are not applied. Those of printing presses have up to 3 MB."""
MAX_TAGS = 100

ToSrgb = Callable[[Image.Image], Image.Image]
"""Converts an image, of the mode that it was made for, to RGB."""

_HEADER_BYTES = 128
_TAG_BYTES = 12
_CLASSES = {b"mntr", b"scnr", b"prtr", b"spac"}
_CONNECTION_SPACES = {b"XYZ ", b"Lab "}
_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
_SAME_TO = 2
"""Colors that differ by at most this much are the same: two versions of sRGB differ by 1."""
_CACHED_BYTES = 8_192  # more than the profiles of cameras and screens have
_CACHED_TRANSFORMS = 32


def inflate_profile(compressed: bytes) -> bytes:
    """Return a profile from the data of a PNG's iCCP chunk; empty when it is damaged or large."""
    _, _, rest = compressed.partition(b"\0")
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(rest[1:], MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return b""
    return profile if inflater.eof else b""


def conversion_to_srgb(profile: bytes, mode: str) -> ToSrgb | None:
    """Return what converts pixels of a mode (RGB, L or CMYK); None for pixels that are sRGB."""
    if _mode_of(profile) != mode:
        return None
    try:
        return (_build_cached if len(profile) <= _CACHED_BYTES else _build)(profile, mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _build(profile: bytes, mode: str) -> ToSrgb | None:
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        flags=ImageCms.Flags.NOCACHE,  # threads may share it
    )
    return None if mode == "RGB" and _keeps_colors(transform) else transform.apply


_build_cached = lru_cache(maxsize=_CACHED_TRANSFORMS)(_build)


def _keeps_colors(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a transform leaves a grid of colors as it is: most profiles are sRGB itself."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    converted = np.asarray(transform.apply(Image.fromarray(grid)))
    return bool(np.abs(converted.astype(int) - grid).max() <= _SAME_TO)


def _mode_of(profile: bytes) -> str | None:
    """Return the mode of the pixels that a profile describes; None when it is not sound."""
    if not _HEADER_BYTES + 4 <= len(profile) <= MAX_PROFILE_BYTES:
        return None
    size, tags = struct.unpack_from(">I", profile)[0], struct.unpack_from(">I", profile, 128)[0]
    table_end = _HEADER_BYTES + 4 + tags * _TAG_BYTES
    if (
        size != len(profile)
        or profile[36:40] != b"acsp"
        or profile[12:16] not in _CLASSES
        or profile[20:24] not in _CONNECTION_SPACES
        or tags > MAX_TAGS
        or table_end > size
    ):
        return None
    for index in range(tags):
        _, offset, length = struct.unpack_from(">4sII", profile, 132 + index * _TAG_BYTES)
        if offset < table_end or length < 8 or offset + length > size:
            return None
        if not _has_its_table(profile[offset : offset + length]):
            return None
    return _MODES.get(profile[16:20])


def _has_its_table(element: bytes) -> bool:
    """Whether an element is as long as the color table in it (ICC.1:2022, 10.10 to 10.13).

    LittleCMS allocates the table before it reads it: 500 MB for a few bytes. Elements of the type
    `mpet`, which few profiles have, are refused.
    """
    kind, inputs, outputs = element[:4], *element[8:10].ljust(2, b"\0")
    sizes: Sequence[int] = ()
    sample_bytes = 1
    if kind in {b"mft1", b"mft2"}:
        sizes, sample_bytes = [*element[10:11]] * inputs, 1 if kind == b"mft1" else 2
    elif kind in {b"mAB ", b"mBA "}:
        start = int.from_bytes(element[24:28], "big")
        if start:
            sizes = element[start : start + inputs]
            sample_bytes = int.from_bytes(element[start + 16 : start + 17], "big")
    table_bytes = math.prod(sizes) * outputs * sample_bytes if sizes else 0
    return kind != b"mpet" and table_bytes <= len(element)
