"""Fusion of the maps of several layers."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


def fuse(maps: Sequence[Any], resize: Callable[[Any], Any], *, xp: ModuleType) -> Any:
    """Average the maps of several layers, each scaled to a peak of 1: signed.

    L[m] = 1/n Σ_l resize(L_l[m] / max|L_l[m]|)

    Scaling lets fine layers sharpen the maps of deep layers, whatever the magnitudes. Jiang et al.
    2021, doi 10.1109/TIP.2021.3089943, section III-D, take the maximum of clipped maps; the mean
    keeps the evidence against a class. A map of zeros adds nothing. `maps` are (M, h, w) of several
    sizes; `resize` brings each to the size of the result.
    """
    scaled = []
    for map_ in maps:
        peak = xp.max(xp.abs(map_), axis=(1, 2), keepdims=True)
        scaled.append(resize(map_ / xp.where(peak == 0, 1.0, peak)))
    return sum(scaled[1:], scaled[0]) / len(scaled)
