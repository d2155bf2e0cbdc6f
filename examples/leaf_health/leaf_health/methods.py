"""An explanation method. The API imports this module, too, so it imports no tensor library."""

from types import ModuleType
from typing import Any

from seewhy.schemas.installed_methods import InstalledMethod


def elementwise_gradcam(activation: Any, gradient: Any, *, xp: ModuleType) -> Any:
    """Sum the positive products of each value and its gradient over the channels.

    L[m,i,j] = Σ_c ReLU(g[m,i,j,c] · A[m,i,j,c]), from two arrays (M, h, w, C).
    """
    return xp.sum(xp.maximum(gradient * activation, 0), axis=-1)


ELEMENTWISE_GRADCAM = InstalledMethod(
    formula=elementwise_gradcam,
    needs="gradient",
    forward_passes=1.0,
    reference="https://github.com/jacobgil/pytorch-grad-cam",
)
