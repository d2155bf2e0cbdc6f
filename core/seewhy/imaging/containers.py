"""How JPEG, PNG and WebP files are laid out, as far as a service must know it.

A walk over a file's parts, without decoding a pixel, answers three questions: does the file end
where it says, which part is the EXIF block, and what remains once everything that is not needed
to decode the pixels is left out. Leaving it out keeps profiles, texts, thumbnails and animations,
which is where decoders are attacked, away from the decoder.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from seewhy.errors import BrokenImage, UnsupportedImage

MAX_SEGMENTS = 50_000
MAX_SCANS = 32

_EXIF_HEADER = b"Exif\x00\x00"
_TIFF_ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
_ORIENTATION_TAG = 0x0112
_SHORT = 3

# A marker that ends entropy-coded data: not a stuffed byte, a fill byte, TEM or a restart.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_EOI, _SOS, _COMMENT = 0xD9, 0xDA, 0xFE
_APP0, _APP1, _ADOBE, _APP15 = 0xE0, 0xE1, 0xEE, 0xEF
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file taken apart: `body` is what decoding the pixels needs, `whole` whether it ends."""

    media_type: str
    body: bytes
    whole: bool
    orientation: int


def parse_container(body: bytes) -> ImageFile:
    """Recognise the format by content and walk the file.

    `orientation` is EXIF's, 1 to 8, and 1 where there is none that makes sense. Raises
    `UnsupportedImage` for any other format and `BrokenImage` for a file built to be slow.
    """
    for begins, media_type, walk in _FORMATS:
        if begins.match(body):
            kept, exif, whole = walk(body)
            return ImageFile(media_type, kept, whole, _orientation(exif))
    raise UnsupportedImage("the picture is neither JPEG, PNG nor WebP")


def _jpeg(body: bytes) -> tuple[bytes, bytes, bool]:
    """ITU-T T.81, Annex B. Metadata and what lies between segments or after EOI is left out."""
    kept = [body[:2]]
    exif = b""
    parts = scans = 0
    position, in_scan = 2, False
    while found := _JPEG_MARKER.search(body, position):
        if in_scan:
            kept.append(body[position : found.start()])
        marker = body[found.end() - 1]
        if marker == _EOI:
            kept.append(found.group())
            return b"".join(kept), exif, True
        in_scan = marker == _SOS
        parts, scans = parts + 1, scans + in_scan
        if parts > MAX_SEGMENTS or scans > MAX_SCANS:
            raise BrokenImage("the JPEG has more parts than any camera writes")
        position = found.end() + int.from_bytes(body[found.end() : found.end() + 2], "big")
        if position < found.end() + 2 or position > len(body):
            break
        if marker == _COMMENT or (_APP0 < marker <= _APP15 and marker != _ADOBE):
            payload = body[found.end() + 2 : position]
            if marker == _APP1 and payload.startswith(_EXIF_HEADER):
                exif = exif or payload
        else:
            kept.append(body[found.start() : position])
    return b"".join(kept), exif, False


def _png(body: bytes) -> tuple[bytes, bytes, bool]:
    """PNG, third edition, section 5. Checksums are left to the decoder."""
    kept = [_PNG_SIGNATURE]
    exif = b""
    position = len(_PNG_SIGNATURE)
    for _ in range(MAX_SEGMENTS):
        size = int.from_bytes(body[position : position + 4], "big")
        kind = body[position + 4 : position + 8]
        end = position + 12 + size
        if end > len(body):
            kept.append(body[position:])
            return b"".join(kept), exif, False
        if kind in _PNG_PIXELS:
            kept.append(body[position:end])
        elif kind == b"eXIf":
            exif = exif or body[position + 8 : end - 4]
        if kind == b"IEND":
            return b"".join(kept), exif, True
        position = end
    raise BrokenImage("the PNG has more chunks than any program writes")


def _webp(body: bytes) -> tuple[bytes, bytes, bool]:
    """RFC 9649. The RIFF size is the file's own word on where it ends."""
    end = 8 + int.from_bytes(body[4:8], "little")
    exif = b""
    position = 12
    for _ in range(MAX_SEGMENTS):
        if position + 8 > min(end, len(body)):
            return body[:end], exif, end <= len(body)
        size = int.from_bytes(body[position + 4 : position + 8], "little")
        if body[position : position + 4] == b"EXIF":
            exif = exif or body[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
    raise BrokenImage("the WebP has more chunks than any program writes")


_FORMATS: tuple[
    tuple[re.Pattern[bytes], str, Callable[[bytes], tuple[bytes, bytes, bool]]], ...
] = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg", _jpeg),
    (re.compile(re.escape(_PNG_SIGNATURE)), "image/png", _png),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp", _webp),
)


def _orientation(exif: bytes) -> int:
    """Read tag 0x0112 of the first directory: TIFF 6.0, section 2.

    Pillow's reader raises and warns on the blocks that phones and editors really write.
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
