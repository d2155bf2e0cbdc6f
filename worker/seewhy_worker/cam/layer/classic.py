"""The map of the preset `classic`."""

from types import ModuleType
from typing import Any


def classic(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Weigh each channel by its mean gradient, and average over channels, as common tutorials do.

    L[m,i,j] = 1/C Σ_c w[m,c] · A[m,i,j,c] with w[m,c] = 1/(h·w) Σ_ij g[m,i,j,c]

    Grad-CAM with the mean in place of the sum, of the probability and without a ReLU. Arguments as
    for `gradcam`.
    """
    weights = xp.mean(gradient, axis=(1, 2), keepdims=True)
    return xp.mean(weights * activation, axis=3)
