"""A small labeled data set from the shipped photos, with one class for each photo."""

from pathlib import Path

import cv2
import numpy as np

from seewhy.imaging.codecs import decode, encode_jpeg


def varied(photo: Path, *, seed: int) -> np.ndarray:
    """Rotate a photo by up to 10°, crop at least three quarters of each side, maybe mirror it."""
    generator = np.random.default_rng(seed)
    image = decode(photo.read_bytes(), max_pixels=25_000_000)
    height, width, _ = image.shape
    rotation = cv2.getRotationMatrix2D((width / 2, height / 2), generator.uniform(-10, 10), 1.0)
    rotated = cv2.warpAffine(image, rotation, (width, height), borderMode=cv2.BORDER_REFLECT)
    rows, columns = (int(side * generator.uniform(0.75, 1)) for side in (height, width))
    top = generator.integers(0, height - rows + 1)
    left = generator.integers(0, width - columns + 1)
    cropped = rotated[top : top + rows, left : left + columns]
    return np.ascontiguousarray(cropped[:, ::-1] if generator.random() < 0.5 else cropped)


def make_set(photos: Path, folder: Path, *, names: tuple[str, ...], each: int) -> None:
    """Write `each` variations of each photo into a folder with the name of the photo."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for n in range(each):
            image = varied(photos / f"{name}.jpg", seed=100 * number + n)
            (folder / name / f"{n:02}.jpg").write_bytes(encode_jpeg(image))
