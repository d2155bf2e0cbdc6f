"""Write the constants that the viewer shares with Python as a JavaScript module."""

import json

import numpy as np

from seewhy.imaging.maps import SMALLEST_MAXIMUM
from seewhy.imaging.rendering.color_scale import PIXEL_LEVEL_QUANTILE
from seewhy.imaging.rendering.colormaps import DIVERGING, GRAY, color_table
from seewhy.schemas.methods import METHOD_INFO
from seewhy.schemas.regions import DEFAULT_THRESHOLD

VIEWER_COLORMAPS = ("inferno", "viridis", "cividis", "magma", "turbo", GRAY, DIVERGING)
"""The colormaps that the viewer offers. Jet is not one: its brightness does not follow values."""

_NO_CHANGE = ord("M")
_LARGEST_CHANGE = 12
"""The characters from `A` to `Y` need no escapes in JavaScript."""


def constants_script() -> str:
    """Return a module that exports the color tables and the constants."""
    constants = {
        "COLOR_STEPS": {name: _color_steps(name) for name in VIEWER_COLORMAPS},
        "DIVERGING": DIVERGING,
        "DEFAULT_THRESHOLD": DEFAULT_THRESHOLD,
        "SMALLEST_MAXIMUM": SMALLEST_MAXIMUM,
        "PIXEL_LEVEL_METHODS": [name for name, info in METHOD_INFO.items() if info.pixel_level],
        "PIXEL_LEVEL_QUANTILE": PIXEL_LEVEL_QUANTILE,
    }
    return "".join(
        f"export const {name} = {json.dumps(value, separators=(',', ':'))};\n"
        for name, value in constants.items()
    )


def _color_steps(name: str) -> dict[str, object]:
    """Return the first color of a table, and the changes from step to step.

    The changes of red come first, then those of green and blue: one character each, where `M` is
    0. Compressed, a table takes a quarter of its size in base64.
    """
    table = color_table(name).astype(int)
    changes = np.diff(table, axis=0)
    if np.abs(changes).max() > _LARGEST_CHANGE:
        raise ValueError(f"a step of the colormap {name} changes by more than {_LARGEST_CHANGE}")
    text = "".join(chr(_NO_CHANGE + change) for change in changes.T.ravel())
    return {"first": table[0].tolist(), "changes": text}
