"""A small labelled set made of the shipped photos: one class for each photo."""

from pathlib import Path

import cv2
import numpy as np

from seewhy.imaging.codecs import decode, encode_jpeg


def varied(photo: Path, *, seed: int) -> np.ndarray:
    """Crop three quarters or more of a photo, turn it by 10° at most, perhaps mirror it."""
    generator = np.random.default_rng(seed)
    pixels = decode(photo.read_bytes(), max_pixels=25_000_000)
    height, width, _ = pixels.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), generator.uniform(-10, 10), 1.0)
    pixels = cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    rows, columns = (int(side * generator.uniform(0.75, 1)) for side in (height, width))
    top = generator.integers(0, height - rows + 1)
    left = generator.integers(0, width - columns + 1)
    pixels = pixels[top : top + rows, left : left + columns]
    return np.ascontiguousarray(pixels[:, ::-1] if generator.random() < 0.5 else pixels)


def make_set(photos: Path, folder: Path, *, names: tuple[str, ...], each: int) -> None:
    """Write `each` variations of each named photo into a sub-folder of its name."""
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for n in range(each):
            pixels = varied(photos / f"{name}.jpg", seed=100 * place + n)
            (folder / name / f"{n:02}.jpg").write_bytes(encode_jpeg(pixels))
