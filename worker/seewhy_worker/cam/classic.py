"""The original recipe's map."""

from types import ModuleType
from typing import Any


def classic(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Grad-CAM as it is most often copied: the mean over the channels in place of the sum.

    L[m,i,j] = 1/C Σ_c w[m,c] · A[m,i,j,c] with w[m,c] = 1/(h·w) Σ_ij g[m,i,j,c]

    Of the probability, and with no ReLU at all. Arguments as for `gradcam`.
    """
    weights = xp.mean(gradient, axis=(1, 2), keepdims=True)
    return xp.mean(weights * activation, axis=3)
