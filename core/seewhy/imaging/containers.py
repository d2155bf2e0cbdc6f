"""Parse the containers of JPEG, PNG and WebP files without decoding pixels.

The parser checks that a file is complete, reads the EXIF orientation and the color profile, and
drops every segment that the pixels do not need. Texts and thumbnails, a common way to attack
decoders, never reach the decoder of a JPEG or PNG.
"""

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from seewhy.errors import BrokenImage, UnsupportedImage

MAX_SEGMENTS = 50_000
MAX_SCANS = 32

_EXIF_HEADER = b"Exif\x00\x00"
_ICC_HEADER = b"ICC_PROFILE\x00"
_TIFF_ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
_ORIENTATION_TAG = 0x0112
_SHORT = 3

# A marker that ends entropy-coded data: not a stuffed byte, a fill byte, TEM or a restart.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_EOI, _SOS, _COMMENT = 0xD9, 0xDA, 0xFE
_APP0, _APP1, _APP2, _ADOBE, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


@dataclass(frozen=True, slots=True)
class ImageContainer:
    """A parsed image file."""

    media_type: str
    pixel_data: bytes
    """The file without the segments that its pixels do not need."""
    complete: bool
    """Whether the file has its end."""
    orientation: int
    """The EXIF orientation, 1 to 8; 1 when it is missing or invalid."""
    profile: bytes
    """The ICC profile as the file has it: in a PNG compressed; empty when there is none."""


class _Metadata(NamedTuple):
    exif: bytes = b""
    profile: bytes = b""


def parse_container(body: bytes) -> ImageContainer:
    """Detect the format by content and parse the file.

    Raises `UnsupportedImage` when the format is not JPEG, PNG or WebP. Raises `BrokenImage` when
    the file has an absurd number of segments, which would make decoding slow.
    """
    for signature, media_type, parse in _FORMATS:
        if signature.match(body):
            pixel_data, metadata, complete = parse(body)
            orientation = _orientation(metadata.exif)
            return ImageContainer(media_type, pixel_data, complete, orientation, metadata.profile)
    raise UnsupportedImage("the image is not JPEG, PNG or WebP")


def _parse_jpeg(body: bytes) -> tuple[bytes, _Metadata, bool]:
    """Parse by ITU-T T.81, Annex B. Drop metadata, and bytes between segments and after EOI."""
    view = memoryview(body)
    kept = [view[:2]]
    exif = b""
    profile: list[bytes] = []
    segments = scans = 0
    position, in_scan = 2, False
    while found := _JPEG_MARKER.search(body, position):
        if in_scan:
            kept.append(view[position : found.start()])
        marker = body[found.end() - 1]
        if marker == _EOI:
            kept.append(view[found.start() : found.end()])
            return b"".join(kept), _Metadata(exif, _join_profile(profile)), True
        in_scan = marker == _SOS
        segments, scans = segments + 1, scans + in_scan
        if segments > MAX_SEGMENTS or scans > MAX_SCANS:
            raise BrokenImage(
                f"the JPEG has more than {MAX_SEGMENTS:,} segments or {MAX_SCANS} scans"
            )
        position = found.end() + int.from_bytes(body[found.end() : found.end() + 2], "big")
        if position < found.end() + 2 or position > len(body):
            break
        if marker == _COMMENT or (_APP0 < marker <= _APP15 and marker != _ADOBE):
            payload = body[found.end() + 2 : position]
            if marker == _APP1 and payload.startswith(_EXIF_HEADER):
                exif = exif or payload
            elif marker == _APP2 and payload.startswith(_ICC_HEADER):
                profile.append(payload)
        else:
            kept.append(view[found.start() : position])
    return b"".join(kept), _Metadata(exif), False


def _parse_png(body: bytes) -> tuple[bytes, _Metadata, bool]:
    """Parse by PNG, third edition, section 5. The decoder verifies the checksums."""
    view = memoryview(body)
    kept = [view[: len(_PNG_SIGNATURE)]]
    exif = profile = b""
    position = len(_PNG_SIGNATURE)
    for _ in range(MAX_SEGMENTS):
        size = int.from_bytes(body[position : position + 4], "big")
        kind = body[position + 4 : position + 8]
        end = position + 12 + size
        if end > len(body):
            kept.append(view[position:])
            return b"".join(kept), _Metadata(exif), False
        if kind in _PNG_PIXELS:
            kept.append(view[position:end])
        elif kind == b"eXIf":
            exif = exif or body[position + 8 : end - 4]
        elif kind == b"iCCP":
            profile = profile or body[position + 8 : end - 4]
        if kind == b"IEND":
            return b"".join(kept), _Metadata(exif, profile), True
        position = end
    raise BrokenImage(f"the PNG has more than {MAX_SEGMENTS:,} chunks")


def _parse_webp(body: bytes) -> tuple[bytes, _Metadata, bool]:
    """Parse by RFC 9649. The RIFF size gives the end of the file."""
    end = 8 + int.from_bytes(body[4:8], "little")
    exif = profile = b""
    position = 12
    for _ in range(MAX_SEGMENTS):
        if position + 8 > min(end, len(body)):
            return body[:end], _Metadata(exif, profile), end <= len(body)
        size = int.from_bytes(body[position + 4 : position + 8], "little")
        if body[position : position + 4] == b"EXIF":
            exif = exif or body[position + 8 : position + 8 + size]
        if body[position : position + 4] == b"ICCP":
            profile = profile or body[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
    raise BrokenImage(f"the WebP has more than {MAX_SEGMENTS:,} chunks")


_FORMATS: tuple[
    tuple[re.Pattern[bytes], str, Callable[[bytes], tuple[bytes, _Metadata, bool]]], ...
] = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg", _parse_jpeg),
    (re.compile(re.escape(_PNG_SIGNATURE)), "image/png", _parse_png),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp", _parse_webp),
)


def _join_profile(segments: Sequence[bytes]) -> bytes:
    """Join the parts of a profile in the order of their numbers (ICC.1:2022, B.4).

    Each begins with its number and their count, one byte each. Empty when a part is missing.
    """
    parts = {segment[12]: segment[14:] for segment in segments if len(segment) > 14}
    complete = {*parts} == set(range(1, len(segments) + 1))
    if not complete or any(segment[13] != len(segments) for segment in segments):
        return b""
    return b"".join(parts[number] for number in sorted(parts))


def _orientation(exif: bytes) -> int:
    """Read tag 0x0112 of the first directory (TIFF 6.0, section 2).

    Pillow's reader raises and warns on EXIF blocks that phones and editors do write.
    """
    tiff = exif.removeprefix(_EXIF_HEADER)
    order = _TIFF_ORDERS.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for index in range(entries):
            tag, kind, _, value = struct.unpack_from(
                order + "HHIH", tiff, directory + 2 + 12 * index
            )
            if tag == _ORIENTATION_TAG:
                return int(value) if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
