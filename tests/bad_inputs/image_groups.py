"""Uploads that are not images, that attack the decoder, or that are unusual and valid."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable

from PIL import Image

from bad_inputs.case import ACCEPTED, JPEG, PNG, WEBP, Case, image_case, upload
from images import encoded, gradient, jpeg_segment, png, png_chunk, with_claimed_size


def other_formats() -> Iterable[Case]:
    yield image_case("empty", b"", 422)
    for name, image in {
        "one byte": b"x",
        "text": b"hello",
        "HTML": b"<!doctype html><script>alert(1)</script>",
        "JSON": b"{}",
        "gzip": b"\x1f\x8b\x08" + bytes(30),
        "ELF": b"\x7fELF" + bytes(60),
        "PDF": b"%PDF-1.7\n",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
        "external entity": b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "HEIC": b"\x00\x00\x00\x18ftypheic" + bytes(40),
        "AVIF": b"\x00\x00\x00\x18ftypavif" + bytes(40),
        "JPEG 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40),
        "FITS": b"SIMPLE  =                    T",
        "PSD": b"8BPS\x00\x01" + bytes(40),
        "GD": b"\xff\xfe" + bytes(40),
    }.items():
        yield image_case(name, image, 415)
    for kind in ("BMP", "TIFF", "ICO", "GIF", "TGA"):
        yield image_case(kind, encoded(gradient(), kind), 415)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", "b")
    yield image_case("ZIP", archive.getvalue(), 415)


def mismatches() -> Iterable[Case]:
    yield Case("a PNG called a JPEG", ACCEPTED, upload(PNG, kind="image/jpeg"))
    yield Case("a JPEG called HTML", ACCEPTED, upload(JPEG, kind="text/html"))
    yield Case("HTML called a JPEG", {415}, upload(b"<html>", kind="image/jpeg"))
    for name, image in (("JPEG", JPEG), ("PNG", PNG), ("WebP", WEBP)):
        yield image_case(f"{name} and ZIP", image + b"PK\x05\x06" + bytes(18), 202)
        yield image_case(f"{name} and HTML", image + b"<script>alert(1)</script>", 202)
    yield image_case("GIF and JPEG", b"GIF89a/*" + JPEG, 415)


def bombs() -> Iterable[Case]:
    yield image_case("50,000 x 50,000", png(50_000, 50_000, depth=1, color_type=0, rows=b""), 413)
    yield image_case("1 x 2^31", png(1, 2**31 - 1, depth=1, color_type=0, rows=b""), 413)
    yield image_case("a JPEG of 65,535 x 65,535", with_claimed_size(JPEG, 65_535, 65_535), 413)
    inflated = zlib.compress(bytes(200_000_000), 9)
    text = png_chunk(b"zTXt", b"a\0\0" + inflated)
    profile = png_chunk(b"iCCP", b"a\0\0" + inflated)
    for name, chunk in (("text", text), ("profile", profile)):
        yield image_case(f"{name} of 200 MB in 200 kB", PNG[:33] + chunk + PNG[33:], 202)
    frames = [gradient()] * 500
    for kind in ("WEBP", "PNG"):
        animation = encoded(gradient(), kind, save_all=True, append_images=frames)
        yield image_case(f"500 frames of {kind}", animation, 202, 422)
    yield image_case(
        "a small file of a large image", PNG[:16] + struct.pack(">II", 4_000, 4_000) + PNG[24:], 422
    )
    scans = (
        JPEG[:-2] + (jpeg_segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\0") * 1_000 + JPEG[-2:]
    )
    yield image_case("1,000 scans", scans, 422)
    yield image_case(
        "100,000 segments", JPEG[:2] + jpeg_segment(0xFE, b"") * 100_000 + JPEG[2:], 422
    )


def truncations() -> Iterable[Case]:
    for name, image in (("JPEG", JPEG), ("PNG", PNG), ("WebP", WEBP)):
        for sixteenth in range(1, 16):
            end = len(image) * sixteenth // 16
            yield image_case(f"{sixteenth}/16 of a {name}", image[:end], 415, 422)


def modes() -> Iterable[Case]:
    image = gradient()
    yield image_case("PNG I;16", encoded(Image.new("I;16", (40, 24)), "PNG"), 202)
    for mode in ("L", "LA", "P", "1", "RGBA"):
        yield image_case(f"PNG {mode}", encoded(image.convert(mode), "PNG"), 202)
    for mode in ("L", "CMYK", "YCbCr"):
        yield image_case(f"JPEG {mode}", encoded(image.convert(mode), "JPEG"), 202)
    for size in ((1, 1), (1, 8_192), (8_192, 1)):
        yield image_case(str(size), encoded(Image.new("RGB", size), "PNG"), 202)
    yield image_case("no width", png(0, 10, depth=8, color_type=2, rows=b""), 422)
    for orientation in (*range(10), 65_535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield image_case(f"orientation {orientation}", encoded(image, "JPEG", exif=exif), 202)
    exif = Image.Exif()
    exif[0x9286] = b"x" * 60_000
    yield image_case("60 kB of EXIF", encoded(image, "JPEG", exif=exif), 202)
