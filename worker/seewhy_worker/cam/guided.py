"""Guided backpropagation and guided Grad-CAM.

Both are sharp, and both fail the sanity checks of Adebayo et al. 2018, arXiv 1810.03292: their
pictures hardly change when the network's weights are scrambled. They show edges, not reasons.
"""

from types import ModuleType
from typing import Any


def guided_backprop(gradient: Any, moved: Any, *, xp: ModuleType) -> Any:
    """Show the gradient that passed only where it was positive, at every ReLU on its way.

    L[m,i,j] = max_k |g[m,i,j,k]|, k over the colours

    Springenberg et al. 2014, arXiv 1412.6806: at each ReLU the gradient is cut where it is
    negative, besides where the input is. `gradient` is (M, H, W, 3); `moved` is not used.
    """
    return xp.max(xp.abs(gradient), axis=3)


def guided_gradcam(gradient: Any, enlarged: Any, *, xp: ModuleType) -> Any:
    """Multiply guided backpropagation by what Grad-CAM calls evidence for the class.

    L[m,i,j] = max_k |g[m,i,j,k]| · ReLU(E[m,i,j]), where E is Grad-CAM's map at the picture's size

    Selvaraju et al. 2017, arXiv 1610.02391, section 3.2. `gradient` is (M, H, W, 3), `enlarged`
    (M, H, W).
    """
    return xp.max(xp.abs(gradient), axis=3) * xp.maximum(enlarged, 0)
