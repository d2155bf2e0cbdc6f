"""SmoothGrad."""

from types import ModuleType
from typing import Any

import numpy as np

SAMPLES = 20
NOISE = 0.15
"""Standard deviation of the noise, as a fraction of the image's range."""


def smoothgrad(gradient: Any, difference: Any, *, xp: ModuleType) -> Any:
    """Take the largest magnitude over the colors of the mean gradient of noisy copies: unsigned.

    L[m,i,j] = max_k |1/n Σ_s ∂y[m]/∂x[m,i,j,k] (x + ε_s)|, k over the colors

    Smilkov et al. 2017, arXiv 1706.03825, with n = 20 and normal noise ε; the standard
    deviation is 15 % of the image's range. The maximum over colors is from Simonyan et al. 2013,
    arXiv 1312.6034. The map shows where the score is sensitive, not in which direction. `gradient`
    is the mean, (M, H, W, 3), the map (M, H, W); `difference` is not used.
    """
    return xp.max(xp.abs(gradient), axis=3)


def noisy_copies(image: Any, *, xp: ModuleType) -> Any:
    """Add noise to an image (H, W, 3): returns (SAMPLES, H, W, 3).

    The noise is always the same: a map must not depend on chance or on its batch.
    """
    noise = np.random.default_rng(0).standard_normal((SAMPLES, *image.shape), np.float32)
    return image[None] + NOISE * (xp.max(image) - xp.min(image)) * noise
