"""HiResCAM."""

from types import ModuleType
from typing import Any


def hirescam(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Weigh each value by its own gradient and sum over the channels: signed, before the ReLU.

    L[m,i,j] = Σ_c g[m,i,j,c] · A[m,i,j,c]

    Draelos and Carin 2020, arXiv 2011.08891, equation 2. Where the rest of the network is linear,
    the map adds up to the score less its bias. Arguments as for `gradcam`.
    """
    return xp.einsum("mhwc,mhwc->mhw", gradient, activation)
