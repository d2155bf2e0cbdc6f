"""LayerCAM."""

from types import ModuleType
from typing import Any


def layercam(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Weigh each value by its own gradient where positive, and sum over channels.

    L[m,i,j] = Σ_c ReLU(g[m,i,j,c]) · A[m,i,j,c]

    Jiang et al. 2021, IEEE Transactions on Image Processing 30, doi 10.1109/TIP.2021.3089943,
    equations 5 to 7 without the outer ReLU. Arguments as for `gradcam`.
    """
    return xp.einsum("mhwc,mhwc->mhw", xp.maximum(gradient, 0), activation)
