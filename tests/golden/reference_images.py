"""The images that the reference libraries explained, drawn or cropped without resizing."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"

# Shepp and Logan 1974, with Toft's contrast: gray value, half axes, center, rotation in degrees.
ELLIPSES = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0),
)


def brain_tumour_images() -> NDArray[np.uint8]:
    """Return (3, 240, 240, 3) RGB: the head phantom, the cat and the tripod."""
    return np.stack([head_phantom(240), center("cat", 240), center("tripod", 240)])


def imagenet_images() -> NDArray[np.uint8]:
    """Return (3, 224, 224, 3) RGB: the cat, the coffee and the tripod."""
    return np.stack([center(name, 224) for name in ("cat", "coffee", "tripod")])


def head_phantom(side_px: int) -> NDArray[np.uint8]:
    """Draw the Shepp-Logan head phantom, (side, side, 3)."""
    steps = (np.arange(side_px) + 0.5) / side_px * 2 - 1
    x, y = np.meshgrid(steps, -steps)
    gray = np.zeros((side_px, side_px))
    for value, across, along, x0, y0, degrees in ELLIPSES:
        turn = np.deg2rad(degrees)
        u = (x - x0) * np.cos(turn) + (y - y0) * np.sin(turn)
        v = (y - y0) * np.cos(turn) - (x - x0) * np.sin(turn)
        gray[(u / across) ** 2 + (v / along) ** 2 <= 1] += value
    levels = np.round(255 * np.clip(gray, 0, 1)).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)


def center(name: str, side_px: int) -> NDArray[np.uint8]:
    """Crop the center of a shipped photo, (side, side, 3), without resizing."""
    with Image.open(PHOTOS / f"{name}.jpg") as opened:
        pixels = np.asarray(opened.convert("RGB"))
    top, left = ((length - side_px) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side_px, left : left + side_px]
