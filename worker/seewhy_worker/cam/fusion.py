"""Fusion of the maps of several layers."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


def fuse(maps: Sequence[Any], enlarge: Callable[[Any], Any], *, xp: ModuleType) -> Any:
    """Take the mean of the layers' maps, each scaled by its own strongest evidence: signed.

    L[m] = 1/n Σ_l enlarge(L_l[m] / max|L_l[m]|)

    So that fine layers sharpen what deep layers found, however large either's numbers are. Jiang
    et al. 2021, doi 10.1109/TIP.2021.3089943, section III-D, fuse by the maximum of maps that are
    clipped; the mean keeps what speaks against a class. A layer without any evidence adds nothing.
    `maps` are (M, h, w), of sizes of their own, which `enlarge` brings to one size.
    """
    scaled = []
    for map_ in maps:
        peak = xp.max(xp.abs(map_), axis=(1, 2), keepdims=True)
        scaled.append(enlarge(map_ / xp.where(peak == 0, 1.0, peak)))
    return sum(scaled[1:], scaled[0]) / len(scaled)
