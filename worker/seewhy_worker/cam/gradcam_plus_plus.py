"""Grad-CAM++."""

from types import ModuleType
from typing import Any


def gradcam_plus_plus(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Weigh each channel by its positive gradients, each shared out by its curvature.

    L[m,i,j] = Σ_c w[m,c] · A[m,i,j,c] with w[m,c] = Σ_ij s[m,i,j,c] · ReLU(g[m,i,j,c]) and
    s = g² / (2g² + g³ · Σ_ab A[m,a,b,c]), which is 1 / (2 + g · Σ_ab A) where g is not 0.

    Chattopadhay et al. 2018, arXiv 1710.11063, equations 10 and 19: the score is taken through an
    exponential, whose common factor is left out, as it only scales the map. Written without
    g² in the denominator the weights do not depend on how small the gradients are; an added ε
    would swallow them. Arguments as for `gradcam`.
    """
    total = xp.sum(activation, axis=(1, 2), keepdims=True)
    denominator = 2 + gradient * total
    share = xp.where(denominator == 0, 0.0, 1 / xp.where(denominator == 0, 1.0, denominator))
    weights = xp.sum(share * xp.maximum(gradient, 0), axis=(1, 2))
    return xp.einsum("mc,mhwc->mhw", weights, activation)
