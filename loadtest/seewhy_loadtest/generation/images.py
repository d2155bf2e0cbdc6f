"""The JPEGs that a load test sends: a folder of them, or a synthetic one."""

from pathlib import Path

import numpy as np

from seewhy.errors import SeewhyError
from seewhy.imaging.codecs import encode_jpeg
from seewhy_loadtest.generation.unique_image import START_OF_IMAGE

WIDTH_PX, HEIGHT_PX = 640, 427
_NOISE = 4.0


class NoImages(SeewhyError):
    """A folder has no JPEG files."""

    code = "no_images"


def default_image() -> bytes:
    """Return a JPEG of 640 by 427 pixels and about 40 kB: a gradient with noise."""
    rows = np.linspace(0, 255, HEIGHT_PX)[:, None, None]
    columns = np.linspace(0, 255, WIDTH_PX)[None, :, None]
    noise = np.random.default_rng(0).normal(0, _NOISE, (HEIGHT_PX, WIDTH_PX, 3))
    pixels = (rows + columns) / 2 + noise
    return encode_jpeg(np.clip(pixels, 0, 255).astype(np.uint8))


def read_images(folder: Path) -> list[bytes]:
    """Return the JPEG files of a folder, by name. Raises `NoImages` and `OSError`."""
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    images = [body for file in files if (body := file.read_bytes())[:2] == START_OF_IMAGE]
    if not images:
        raise NoImages(f"{folder} has no JPEG files")
    return images
