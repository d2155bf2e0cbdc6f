"""Guided backpropagation and guided Grad-CAM.

Both give sharp maps, and both fail the sanity checks of Adebayo et al. 2018, arXiv 1810.03292:
the maps hardly change when the weights are randomised. They show edges, not evidence.
"""

from types import ModuleType
from typing import Any


def guided_backprop(gradient: Any, difference: Any, *, xp: ModuleType) -> Any:
    """Take the largest magnitude over the colors of the guided gradient: unsigned.

    L[m,i,j] = max_k |g[m,i,j,k]|, k over the colors

    Springenberg et al. 2014, arXiv 1412.6806. Each ReLU passes a guided gradient only where the
    gradient and the ReLU's input are positive. `gradient` is (M, H, W, 3), the map (M, H, W);
    `difference` is not used.
    """
    return xp.max(xp.abs(gradient), axis=3)


def guided_gradcam(gradient: Any, resized: Any, *, xp: ModuleType) -> Any:
    """Multiply guided backpropagation by the positive part of the Grad-CAM map: unsigned.

    L[m,i,j] = max_k |g[m,i,j,k]| · ReLU(E[m,i,j]), where E is the Grad-CAM map at the image's size

    Selvaraju et al. 2017, arXiv 1610.02391, section 3.2. `gradient` is (M, H, W, 3), `resized`
    and the map are (M, H, W).
    """
    return xp.max(xp.abs(gradient), axis=3) * xp.maximum(resized, 0)
