"""Integrated gradients."""

from types import ModuleType
from typing import Any

import numpy as np

STEPS = 32

_nodes, _weights = np.polynomial.legendre.leggauss(STEPS)
POSITIONS = (0.5 + 0.5 * _nodes).astype(np.float32)
"""Where gradients are taken on the path from black (0) to the image (1), (STEPS,)."""
WEIGHTS = tuple(float(weight) for weight in 0.5 * _weights)
"""The weight of each gradient; they sum to 1."""


def integrated_gradients(gradient: Any, difference: Any, *, xp: ModuleType) -> Any:
    """Attribute the score's change from a black image to this one to the pixels: signed.

    L[m,i,j] = Σ_k (x - x')[m,i,j,k] · ∫ ∂y[m]/∂x[m,i,j,k] (x' + a (x - x')) da, a from 0 to 1

    Sundararajan et al. 2017, arXiv 1703.01365, with x' black and the integral by the 32-point
    Gauss-Legendre rule. Up to the error of that rule, the map sums to the score of the image minus
    the score of black. `gradient` is the integral, `difference` is x - x', both (M, H, W, 3); the
    map is (M, H, W).
    """
    return xp.sum(gradient * difference, axis=3)


def path_images(image: Any, black: Any) -> Any:
    """Interpolate from black to the image, both (H, W, 3): returns (STEPS, H, W, 3)."""
    return black[None] + POSITIONS[:, None, None, None] * (image - black)[None]
