"""Write the constants that the viewer shares with Python as a JavaScript module."""

import json

import numpy as np
from numpy.typing import NDArray

from seewhy.imaging.maps import SMALLEST_MAXIMUM
from seewhy.imaging.rendering.color_scale import PIXEL_LEVEL_QUANTILE
from seewhy.imaging.rendering.colormaps import DIVERGING, GRAY, color_table
from seewhy.schemas.methods import METHOD_INFO
from seewhy.schemas.regions import DEFAULT_THRESHOLD
from seewhy.schemas.words import VERDICTS, WORSE_THAN_CHANCE

VIEWER_COLORMAPS = ("inferno", "viridis", "cividis", "magma", "turbo", GRAY, DIVERGING)
"""The colormaps that the viewer offers. Jet is not one: its brightness does not follow values."""

_MAX_ERROR = 1
"""How far a color may be from that of the service, in levels of 255."""


def constants_script() -> str:
    """Return a module that exports the colormaps and the constants."""
    constants = {
        "COLORMAPS": {name: _known_colors(name) for name in VIEWER_COLORMAPS},
        "DIVERGING": DIVERGING,
        "DEFAULT_THRESHOLD": DEFAULT_THRESHOLD,
        "SMALLEST_MAXIMUM": SMALLEST_MAXIMUM,
        "PIXEL_LEVEL_METHODS": [name for name, info in METHOD_INFO.items() if info.pixel_level],
        "PIXEL_LEVEL_QUANTILE": PIXEL_LEVEL_QUANTILE,
        "VERDICTS": {"ok": ""} | {verdict.value: words for verdict, words in VERDICTS.items()},
        "WORSE_THAN_CHANCE": WORSE_THAN_CHANCE,
    }
    return "".join(
        f"export const {name} = {json.dumps(value, separators=(',', ':'))};\n"
        for name, value in constants.items()
    )


def _known_colors(name: str) -> str:
    """Return the colors between which the others lie, as few as the largest error allows.

    Eight hexadecimal digits for each: its step, red, green and blue. Compressed, they take a third
    of what all changes from step to step take.
    """
    table = color_table(name).astype(float)
    steps = [0]
    while steps[-1] < 255:
        start = steps[-1]
        ends = range(255, start, -1)
        steps.append(next(end for end in ends if _error(table[start : end + 1]) <= _MAX_ERROR))
    return "".join(bytes([step, *table[step].astype(int)]).hex() for step in steps)


def _error(colors: NDArray[np.float64]) -> float:
    """Return how far colors are, at most, from the line between the first and the last."""
    part = np.linspace(0, 1, len(colors))[:, np.newaxis]
    line = np.floor(colors[0] + (colors[-1] - colors[0]) * part + 0.5)
    return float(np.abs(line - colors).max())
