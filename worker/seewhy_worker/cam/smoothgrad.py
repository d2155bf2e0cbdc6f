"""SmoothGrad."""

from types import ModuleType
from typing import Any

import numpy as np

SAMPLES = 20
NOISE = 0.15


def smoothgrad(gradient: Any, moved: Any, *, xp: ModuleType) -> Any:
    """Show how strongly each pixel moves the score, averaged over noisy copies of the picture.

    L[m,i,j] = max_k |1/n Σ_s ∂y[m]/∂x[m,i,j,k] (x + ε_s)|, k over the colours

    Smilkov et al. 2017, arXiv 1706.03825, with n = 20 and ε normal, of 15 % of the picture's
    range; the colours as in Simonyan et al. 2013, arXiv 1312.6034. No sign is left: the map says
    where, not for what. `gradient` is the mean, (M, H, W, 3); `moved` is not used.
    """
    return xp.max(xp.abs(gradient), axis=3)


def noisy(picture: Any, *, xp: ModuleType) -> Any:
    """Return the copies, (SAMPLES, H, W, 3), of a picture (H, W, 3).

    The noise is drawn once and for all: a map must not depend on chance or on its batch.
    """
    drawn = np.random.default_rng(0).standard_normal((SAMPLES, *picture.shape), np.float32)
    return picture[None] + NOISE * (xp.max(picture) - xp.min(picture)) * drawn
