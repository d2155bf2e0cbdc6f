"""Integrated gradients."""

from types import ModuleType
from typing import Any

import numpy as np

STEPS = 32

_nodes, _weights = np.polynomial.legendre.leggauss(STEPS)
PLACES = (0.5 + 0.5 * _nodes).astype(np.float32)
"""Where on the way from black to the picture gradients are taken, 0 … 1, (STEPS,)."""
WEIGHTS = tuple(float(weight) for weight in 0.5 * _weights)
"""What each counts; together 1."""


def integrated_gradients(gradient: Any, moved: Any, *, xp: ModuleType) -> Any:
    """Share the score's rise from a black picture to this one out among the pixels: signed.

    L[m,i,j] = Σ_k (x - x')[m,i,j,k] · ∫ ∂y[m]/∂x[m,i,j,k] (x' + a (x - x')) da, a from 0 to 1

    Sundararajan et al. 2017, arXiv 1703.01365, with x' black and the integral by Gauss and
    Legendre's rule of 32 points. The map's sum is the score of the picture less that of black,
    as far as that rule goes. `gradient` is the integral, `moved` is x - x', both (M, H, W, 3).
    """
    return xp.sum(gradient * moved, axis=3)


def on_the_way(picture: Any, black: Any) -> Any:
    """Return the pictures between, (STEPS, H, W, 3), from two of (H, W, 3)."""
    return black[None] + PLACES[:, None, None, None] * (picture - black)[None]
