"""Eigen-Grad-CAM."""

from types import ModuleType
from typing import Any

from seewhy_worker.cam.layer.eigencam import first_component


def eigengradcam(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Project gradient times activation on its first principal component: Eigen-CAM per class.

    L[m,i,j] = Σ_c X[m,i,j,c] · v[m,c], where X is g · A minus each channel's mean over space and v
    the first right singular vector of X as (h·w, C).

    Muhammad and Yeasin 2020, arXiv 2008.00299, applied to g · A as in the library
    pytorch-grad-cam; the sign is the one that correlates with HiResCAM. Arguments as for `gradcam`.
    """
    return first_component(gradient * activation, xp=xp)
