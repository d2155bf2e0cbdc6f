"""The images on which engines are compared."""

import logging
from collections.abc import Iterator
from importlib.resources import files
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import BadImage
from seewhy.imaging.codecs import decode

_log = logging.getLogger(__name__)

SAMPLES = files("seewhy_api") / "inspector" / "static"
"""The photos that the distribution has."""
MAX_OWN_IMAGES = 12
MAX_PIXELS = 50_000_000


def calibration_images(spec: ModelSpec) -> Iterator[NDArray[np.uint8]]:
    """Yield images (H, W, 3) of the entry's `calibration` folder, then the sample photos.

    Each sample comes whole, mirrored and as a crop of its middle. The first image comes twice.
    """
    images = _all_images(spec)
    for first in islice(images, 1):
        yield first
        yield first
    yield from images


def _all_images(spec: ModelSpec) -> Iterator[NDArray[np.uint8]]:
    if spec.calibration is not None:
        folder = spec.folder / spec.calibration
        paths = sorted(path for path in folder.iterdir() if path.is_file())
        for path in paths[:MAX_OWN_IMAGES]:
            try:
                yield decode(path.read_bytes(), max_pixels=MAX_PIXELS)
            except BadImage as error:
                _log.warning("%s is no calibration image: %s", path, error)
    photos = [
        decode((SAMPLES / name).read_bytes(), max_pixels=MAX_PIXELS)
        for name in ("cat.jpg", "coffee.jpg", "rocket.jpg")
    ]
    yield from photos
    yield from (photo[:, ::-1] for photo in photos)
    yield from (_middle(photo) for photo in photos)


def _middle(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = photo.shape[:2]
    return photo[height // 5 : -(height // 5), width // 5 : -(width // 5)]
