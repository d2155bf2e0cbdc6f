"""Poison images: their color selects how a faulty worker fails."""

from enum import Enum
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Poison(Enum):
    """The effect of an image on `servers.faulty_worker`; the value is its RGB color."""

    KILL = (255, 0, 1)
    """The explainer kills its process."""
    SEGFAULT = (255, 0, 2)
    """The decoder crashes its process."""
    RAISE = (255, 0, 3)
    """The explainer raises for each batch with this image."""
    SHORT = (255, 0, 4)
    """The explainer returns one map too few."""
    NAN = (255, 0, 5)
    """The explainer returns a map of NaN."""

    UNLUCKY = (255, 0, 6)
    """Its worker is killed from outside, again and again."""

    @property
    def expected_error(self) -> str | None:
        """The error code of the job; None if the job succeeds."""
        if self in {Poison.NAN, Poison.UNLUCKY}:
            return None
        return "worker_lost" if self in {Poison.KILL, Poison.SEGFAULT} else "explainer_failed"


def poison_image(poison: Poison) -> bytes:
    """Encode an image of the poison's color as PNG."""
    file = BytesIO()
    Image.new("RGB", (32, 24), poison.value).save(file, "PNG")
    return file.getvalue()


def poison_of(pixels: NDArray[np.generic]) -> Poison | None:
    """Return the poison of `(H, W, 3)` pixels, or None."""
    color = tuple(int(channel) for channel in pixels[0, 0])
    return next((poison for poison in Poison if poison.value == color), None)
