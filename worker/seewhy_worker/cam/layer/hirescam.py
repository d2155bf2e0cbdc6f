"""HiResCAM."""

from types import ModuleType
from typing import Any


def hirescam(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Weigh each value by its own gradient, and sum over channels: signed.

    L[m,i,j] = Σ_c g[m,i,j,c] · A[m,i,j,c]

    Draelos and Carin 2020, arXiv 2011.08891, equation 2. Where the head of the network is
    linear, the map sums to the score minus its bias. Arguments as for `gradcam`.
    """
    return xp.einsum("mhwc,mhwc->mhw", gradient, activation)
