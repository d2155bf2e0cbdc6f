"""ShapleyCAM."""

from types import ModuleType
from typing import Any


def shapleycam(activation: Any, gradient: Any, curvature: Any, *, xp: ModuleType) -> Any:
    """Weigh each channel by its second-order Shapley value, and sum over channels: signed.

    L[m,i,j] = Σ_c w[m,c] · A[m,i,j,c] with w[m,c] = 1/(h·w) Σ_ij (g - ½ H·A)[m,i,j,c]

    Cai 2025, arXiv 2501.06261. `curvature` is H·A, (M, h, w, C): the score's Hessian with respect
    to the activation, times the activation. If the head consists of ReLUs and pooling, the logit
    has no curvature and the map equals that of Grad-CAM; the probability has curvature. Other
    arguments as for `gradcam`.
    """
    weights = xp.mean(gradient - 0.5 * curvature, axis=(1, 2))
    return xp.einsum("mc,mhwc->mhw", weights, activation)
