"""Pictures that are more than the stub explainer can stand, known by their colour."""

from enum import Enum
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Poison(Enum):
    """What a picture does to a worker of `servers.faulty_worker`; the colour it is painted in."""

    KILL = (255, 0, 1)
    """The device takes the whole process along."""
    SEGFAULT = (255, 0, 2)
    """So does the decoder."""
    RAISE = (255, 0, 3)
    """The explainer raises for every batch that holds it."""
    SHORT = (255, 0, 4)
    """The explainer returns too few maps."""
    NAN = (255, 0, 5)
    """The network makes nothing but NaN of it."""

    @property
    def doom(self) -> str | None:
        """What its job has to fail with; None where it is to succeed."""
        if self is Poison.NAN:
            return None
        return "worker_lost" if self in {Poison.KILL, Poison.SEGFAULT} else "explainer_failed"


def picture(poison: Poison) -> bytes:
    """Paint a picture of one colour, as a PNG."""
    file = BytesIO()
    Image.new("RGB", (32, 24), poison.value).save(file, "PNG")
    return file.getvalue()


def poison_of(pixels: NDArray[np.generic]) -> Poison | None:
    """Tell what (H, W, 3) pixels, of any size, were painted as."""
    colour = tuple(int(part) for part in pixels[0, 0])
    return next((poison for poison in Poison if poison.value == colour), None)
