"""The images on which engines are compared."""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import BadImage, UnsupportedModel
from seewhy.imaging.codecs import decode
from seewhy.samples import SAMPLES, read_sample

_log = logging.getLogger(__name__)

MAX_OWN_IMAGES = 12
MAX_PIXELS = 50_000_000


def calibration_images(spec: ModelSpec) -> Iterator[NDArray[np.uint8]]:
    """Yield images (H, W, 3) of the entry's `calibration` folder, then the sample photos.

    Each sample comes whole, mirrored and as a crop of its middle. The first image comes twice.
    Raises `UnsupportedModel` when the folder cannot be read.
    """
    images = _all_images(spec)
    for first in islice(images, 1):
        yield first
        yield first
    yield from images


def _all_images(spec: ModelSpec) -> Iterator[NDArray[np.uint8]]:
    for path, content in _own_files(spec):
        try:
            yield decode(content, max_pixels=MAX_PIXELS)
        except BadImage as error:
            _log.warning("%s is no calibration image: %s", path, error)
    photos = [decode(read_sample(name), max_pixels=MAX_PIXELS) for name in SAMPLES]
    yield from photos
    yield from (photo[:, ::-1] for photo in photos)
    yield from (_middle(photo) for photo in photos)


def _own_files(spec: ModelSpec) -> list[tuple[Path, bytes]]:
    if spec.calibration is None:
        return []
    folder = spec.folder / spec.calibration
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
        return [(path, path.read_bytes()) for path in paths[:MAX_OWN_IMAGES]]
    except OSError as error:
        raise UnsupportedModel(
            f"{spec.name} cannot read its calibration images in {folder}: {error.strerror}. "
            "Correct `calibration` in the catalog."
        ) from error


def _middle(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = photo.shape[:2]
    return photo[height // 5 : -(height // 5), width // 5 : -(width // 5)]
