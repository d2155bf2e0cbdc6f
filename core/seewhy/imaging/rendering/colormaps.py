"""Colormaps of 256 steps."""

from functools import cache
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from seewhy.errors import InvalidRequest

DIVERGING = "blue-white-red"
GRAY = "gray"

_OPENCV = MappingProxyType(
    {
        "inferno": cv2.COLORMAP_INFERNO,
        "viridis": cv2.COLORMAP_VIRIDIS,
        "magma": cv2.COLORMAP_MAGMA,
        "cividis": cv2.COLORMAP_CIVIDIS,
        "turbo": cv2.COLORMAP_TURBO,
        "jet": cv2.COLORMAP_JET,
    }
)
# Both ends have the same lightness (CIE L* 45), so neither sign looks stronger.
_BLUE, _WHITE, _RED = (33, 102, 172), (247, 247, 247), (202, 0, 32)

COLORMAPS = (*_OPENCV, GRAY, DIVERGING)


@cache
def color_table(name: str) -> NDArray[np.uint8]:
    """Return a colormap as a read-only array, `(256, 3)` RGB.

    Step 0 of a sequential colormap is no evidence and step 255 the strongest. The diverging
    colormap has no evidence at step 128, the strongest evidence against a class at step 1 and
    the strongest evidence for it at step 255. Raises `InvalidRequest` when the name is unknown.
    """
    if name == DIVERGING:
        colors = _diverging_table()
    elif name == GRAY:
        colors = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
    elif name in _OPENCV:
        steps = np.arange(256, dtype=np.uint8)[:, np.newaxis]
        colors = np.asarray(cv2.applyColorMap(steps, _OPENCV[name])[:, 0, ::-1], dtype=np.uint8)
    else:
        raise InvalidRequest(f"unknown colormap {name!r}; choose one of {', '.join(COLORMAPS)}")
    colors.setflags(write=False)
    return colors


def zero_step(name: str) -> int:
    """Return the step that means no evidence."""
    return 128 if name == DIVERGING else 0


def _diverging_table() -> NDArray[np.uint8]:
    position = (np.arange(256) - 128) / 127
    channels = zip(_BLUE, _WHITE, _RED, strict=True)
    table = np.stack([np.interp(position, (-1, 0, 1), values) for values in channels], axis=-1)
    return np.asarray(table.round(), dtype=np.uint8)
