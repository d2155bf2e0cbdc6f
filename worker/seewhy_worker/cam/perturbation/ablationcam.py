"""Ablation-CAM."""

from types import ModuleType
from typing import Any


def ablationcam(activation: Any, losses: Any, *, xp: ModuleType) -> Any:
    """Weigh each channel by the drop of the score without it, and sum over channels: signed.

    L[m,i,j] = Σ_c w[m,c] · A[m,i,j,c] with w[m,c] = y[m] - y[m] with channel c set to 0

    Desai and Ramaswamy 2020, doi 10.1109/WACV45572.2020.9093360, without the outer ReLU. The
    paper divides the weights by y, which only scales the map, and flips its sign where y < 0. Only
    the head of the network runs for each channel. `activation` is (M, h, w, C), `losses` (M, C),
    the map (M, h, w).
    """
    return xp.einsum("mc,mhwc->mhw", losses, activation)
