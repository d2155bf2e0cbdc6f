"""Colours for numbers, 256 steps each."""

from functools import cache
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.errors import InvalidRequest

DIVERGING = "blue-white-red"

_OPENCV = MappingProxyType(
    {
        "inferno": cv2.COLORMAP_INFERNO,
        "viridis": cv2.COLORMAP_VIRIDIS,
        "magma": cv2.COLORMAP_MAGMA,
        "turbo": cv2.COLORMAP_TURBO,
        "jet": cv2.COLORMAP_JET,
    }
)
# Ends of equal lightness (CIE L* 45), so that neither sign looks the stronger.
_BLUE, _WHITE, _RED = (33, 102, 172), (247, 247, 247), (202, 0, 32)

COLORMAPS = (*_OPENCV, DIVERGING)


@cache
def color_table(name: str) -> NDArray[np.uint8]:
    """Return a colormap as `(256, 3)` RGB, read-only. Raises `InvalidRequest` for other names.

    Sequential ones run from no heat to full heat. The diverging one has zero at step 128, and
    full heat at step 1 (against) and step 255 (for).
    """
    if name == DIVERGING:
        colours = _diverging()
    elif name in _OPENCV:
        steps = np.arange(256, dtype=np.uint8)[:, np.newaxis]
        colours = np.asarray(cv2.applyColorMap(steps, _OPENCV[name])[:, 0, ::-1], dtype=np.uint8)
    else:
        raise InvalidRequest(f"the colormap {name!r} is not one of {', '.join(COLORMAPS)}")
    colours.setflags(write=False)
    return colours


def zero_step(name: str) -> int:
    """Return the step that stands for no evidence."""
    return 128 if name == DIVERGING else 0


def _diverging() -> NDArray[np.uint8]:
    heat = (np.arange(256) - 128) / 127
    channels = [np.interp(heat, (-1, 0, 1), ends) for ends in zip(_BLUE, _WHITE, _RED, strict=True)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
