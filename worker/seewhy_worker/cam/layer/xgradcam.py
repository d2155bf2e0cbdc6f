"""XGrad-CAM."""

from types import ModuleType
from typing import Any


def xgradcam(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Weigh each channel by its activation-weighted mean gradient, and sum over channels: signed.

    L[m,i,j] = Σ_c w[m,c] · A[m,i,j,c] with w[m,c] = Σ_ij g[m,i,j,c] · A[m,i,j,c] / Σ_ij A[m,i,j,c]

    Fu et al. 2020, arXiv 2008.02312, equation 8. A channel with a sum of 0 has the weight 0.
    Arguments as for `gradcam`.
    """
    total = xp.sum(activation, axis=(1, 2))
    credit = xp.einsum("mhwc,mhwc->mc", gradient, activation)
    weights = xp.where(total == 0, 0.0, credit / xp.where(total == 0, 1.0, total))
    return xp.einsum("mc,mhwc->mhw", weights, activation)
