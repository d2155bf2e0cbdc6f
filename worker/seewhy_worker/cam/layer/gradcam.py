"""Grad-CAM."""

from types import ModuleType
from typing import Any


def gradcam(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Weigh each channel by its mean gradient, and sum over channels: signed.

    L[m,i,j] = Σ_c w[m,c] · A[m,i,j,c] with w[m,c] = 1/(h·w) Σ_ij ∂y[m]/∂A[m,i,j,c]

    Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2 without the outer ReLU.
    `activation` and `gradient` are (M, h, w, C), the map (M, h, w). `xp` is the namespace of
    the arrays: `numpy`, or `keras.ops` inside a compiled graph.
    """
    weights = xp.mean(gradient, axis=(1, 2))
    return xp.einsum("mc,mhwc->mhw", weights, activation)
