"""Grad-CAM++."""

from types import ModuleType
from typing import Any


def gradcam_plus_plus(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Weigh each channel by its positive gradients, each weighted by its curvature, and sum.

    L[m,i,j] = Σ_c w[m,c] · A[m,i,j,c] with w[m,c] = Σ_ij s[m,i,j,c] · ReLU(g[m,i,j,c]) and
    s = g² / (2g² + g³ · Σ_ab A[m,a,b,c]), which is 1 / (2 + g · Σ_ab A) where g is not 0.

    Chattopadhay et al. 2018, arXiv 1710.11063, equations 10 and 19. The paper explains the
    exponential of the score; its common factor only scales the map and is omitted. Without g² in
    the denominator, the weights are also exact for small gradients, which an added ε would
    outweigh. Arguments as for `gradcam`.
    """
    total = xp.sum(activation, axis=(1, 2), keepdims=True)
    denominator = 2 + gradient * total
    share = xp.where(denominator == 0, 0.0, 1 / xp.where(denominator == 0, 1.0, denominator))
    weights = xp.sum(share * xp.maximum(gradient, 0), axis=(1, 2))
    return xp.einsum("mc,mhwc->mhw", weights, activation)
