"""The memory that decoding and drawing take at their peak, for every kind of image.

Each case runs in a process of its own, because neither Pillow nor OpenCV allocate by Python.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image

import icc_profiles
from icc_profiles import ink_profile, rgb_profile
from images import encoded, png
from seewhy.imaging.pixel_budget import BYTES_PER_PIXEL, encoding_cost, pixel_cost

WIDTH_PX, HEIGHT_PX = 2400, 1500

MEASURE = """
import json, os, resource, sys
from pathlib import Path
import numpy as np
from seewhy.imaging import codecs
from seewhy.imaging.geometry import crop_and_resize
from seewhy.imaging.process_tuning import tune_process
from seewhy.imaging.regions.segmentation import Segmentation
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.imaging.rendering.outlines import draw_outlines
from seewhy.imaging.rendering.overlay import heatmap, overlay
from seewhy.schemas.geometry import Rectangle

tune_process()
cases, width_px, height_px = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
covers = Rectangle(x=0, y=0, width=width_px, height=height_px)
signed = np.linspace(-1, 1, 49, dtype=np.float32).reshape(7, 7)
actions = {
    "decode": lambda body: codecs.decode(body, max_pixels=25_000_000),
    "overlay": lambda body: codecs.encode_jpeg(
        overlay(actions["decode"](body), signed, rectangle=covers, scale=1)
    ),
    "classic": lambda body: codecs.encode_jpeg(
        classic_overlay(actions["decode"](body), signed, rectangle=covers)
    ),
    "overlay as WebP": lambda body: codecs.encode_webp(
        overlay(actions["decode"](body), signed, rectangle=covers, scale=1)
    ),
    "overlay as PNG": lambda body: codecs.encode_png(
        overlay(actions["decode"](body), signed, rectangle=covers, scale=1)
    ),
    "half an overlay": lambda body: codecs.encode_jpeg(
        overlay(half(actions["decode"](body)), signed, rectangle=half_covers, scale=1)
    ),
    "contours": lambda body: codecs.encode_jpeg(
        outlined(segmented().outlined_regions(50), actions["decode"](body))
    ),
    "heatmap as PNG": lambda _: codecs.encode_png(heat()),
    "heatmap as WebP": lambda _: codecs.encode_webp(heat()),
    "regions": lambda _: segmented().outlined_regions(50),
    "mask": lambda _: codecs.encode_mask_png(segmented().mask(50), bits=8),
}

def outlined(regions, image):
    return draw_outlines(image, regions)

def heat():
    return heatmap(signed, rectangle=covers, width_px=width_px, height_px=height_px, scale=1)

def segmented():
    return Segmentation(
        signed, rectangle=covers, width_px=width_px, height_px=height_px, threshold=0.001
    )

half_covers = Rectangle(x=0, y=0, width=width_px // 2, height=height_px // 2)

def half(image):
    return crop_and_resize(
        image, covers, width_px=width_px // 2, height_px=height_px // 2, interpolation="area"
    )

def peak_bytes():
    if Path("/proc/self/status").exists():  # its ru_maxrss includes that of the parent
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

for action, path in cases:
    sys.stdout.flush()
    if os.fork() == 0:
        actions["overlay"](Path(path + ".small").read_bytes())  # load codecs and tables
        before = peak_bytes()
        actions[action](Path(path).read_bytes())
        print(peak_bytes() - before, flush=True)
        os._exit(0)
    os.wait()
"""


def gradient(width_px: int, height_px: int, mode: str = "RGB") -> Image.Image:
    return Image.linear_gradient("L").resize((width_px, height_px)).convert(mode)


def noise(width_px: int, height_px: int, **options: object) -> bytes:
    band = Image.effect_noise((width_px, height_px), 80)
    return encoded(
        Image.merge(
            "RGB", [band, band.rotate(180), band.transpose(Image.Transpose.FLIP_TOP_BOTTOM)]
        ),
        "JPEG",
        **options,
    )


def deep_interlaced(width_px: int, height_px: int) -> bytes:
    """Encode RGBA with 16 bits a channel, in the seven passes of PNG's interlacing."""
    starts = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
    rows = b"".join(
        (b"\0" + b"\x40" * (-(-(width_px - x) // dx) * 8)) * -(-(height_px - y) // dy)
        for x, y, dx, dy in (*starts, (0, 1, 1, 2))
    )
    return png(width_px, height_px, depth=16, color_type=6, rows=rows, interlaced=True)


def of(kind: str, mode: str = "RGB", **options: object) -> Callable[[int, int], bytes]:
    return lambda width_px, height_px: encoded(gradient(width_px, height_px, mode), kind, **options)


def animated(width_px: int, height_px: int) -> bytes:
    frame = gradient(width_px, height_px)
    other = frame.transpose(Image.Transpose.ROTATE_180)
    return encoded(frame, "WEBP", save_all=True, append_images=[other])


ADOBE_RGB = rgb_profile(icc_profiles.ADOBE_RGB, [icc_profiles.ADOBE_GAMMA])

IMAGES: dict[str, Callable[[int, int], bytes]] = {
    "JPEG": of("JPEG"),
    "noise": noise,
    "coarse noise": partial(noise, quality=25),  # a small file; its pixels compress badly
    "progressive CMYK": of("JPEG", "CMYK", subsampling=0, progressive=True),
    "Adobe RGB": of("JPEG", icc_profile=ADOBE_RGB),
    "inks with a profile": of("JPEG", "CMYK", icc_profile=ink_profile()),
    "transparent Adobe RGB": of("PNG", "RGBA", icc_profile=ADOBE_RGB),
    "rotated": of("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"),
    "PNG": of("PNG", "RGBA"),
    "palette": of("PNG", "P", transparency=bytes(range(256))),
    "gray with alpha": of("PNG", "LA"),
    "16-bit interlaced": deep_interlaced,
    "WebP": of("WEBP"),
    "lossless WebP": of("WEBP", "RGBA", lossless=True, method=0),
    "animated WebP": animated,
}


def beyond_reservation(directory: Path, cases: list[tuple[str, str]]) -> dict[str, float]:
    """Run (action, kind of image) cases; return those that take more bytes than are reserved.

    A value is the bytes per pixel.
    """
    reserved = []
    for number, (action, kind) in enumerate(cases):
        body = IMAGES[kind](WIDTH_PX, HEIGHT_PX)
        (directory / str(number)).write_bytes(body)
        (directory / f"{number}.small").write_bytes(IMAGES[kind](64, 48))
        cost = pixel_cost(body, width_px=WIDTH_PX, height_px=HEIGHT_PX)
        media_type = f"image/{action.partition(' as ')[2].lower()}"
        cost += encoding_cost(media_type, width_px=WIDTH_PX, height_px=HEIGHT_PX)
        reserved.append(BYTES_PER_PIXEL * cost)
    named = [(action, str(directory / str(number))) for number, (action, _) in enumerate(cases)]
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(named), str(WIDTH_PX), str(HEIGHT_PX)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    measured = [int(line) for line in run.stdout.split()]
    assert min(measured) > 3 * WIDTH_PX * HEIGHT_PX, "the measure misses the image itself"
    return {
        f"{action} {kind}": peak / (WIDTH_PX * HEIGHT_PX)
        for (action, kind), peak, limit in zip(cases, measured, reserved, strict=True)
        if peak > limit
    }


def test_decoding_stays_within_the_reserved_memory(tmp_path: Path) -> None:
    assert beyond_reservation(tmp_path, [("decode", kind) for kind in IMAGES]) == {}


def test_drawing_stays_within_the_reserved_memory(tmp_path: Path) -> None:
    actions = (
        "overlay", "overlay as WebP", "overlay as PNG", "half an overlay", "classic", "contours",
        "heatmap as PNG", "heatmap as WebP", "regions", "mask",
    )  # fmt: skip
    assert beyond_reservation(tmp_path, [(action, "coarse noise") for action in actions]) == {}
