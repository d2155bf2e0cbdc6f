"""Score-CAM, and its faster form."""

from types import ModuleType
from typing import Any

FASTER_CHANNELS = 10


def scorecam(activation: Any, scores: Any, *, xp: ModuleType) -> Any:
    """Weigh each channel by how well the class is recognised in what the channel lets through.

    L[m,i,j] = Σ_c w[m,c] · A[m,i,j,c] with w[m] = softmax over c of scores[m,c]

    `scores[m,c]` is the score of the picture times `masks` of channel c. Wang et al. 2020, arXiv
    1910.01279, algorithm 1 without the outer ReLU; the score of the baseline, which it takes off
    each, cancels in the softmax. The faster form asks only the channels that vary most over
    space, `FASTER_CHANNELS` of them, as its author does.
    `activation` is (M, h, w, C), `scores` (M, C), the map is (M, h, w).
    """
    powers = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
    weights = powers / xp.sum(powers, axis=1, keepdims=True)
    return xp.einsum("mc,mhwc->mhw", weights, activation)


def masks(enlarged: Any, *, xp: ModuleType) -> Any:
    """Stretch each channel to 0 … 1: (M, H, W, C) at the picture's size, to the same.

    A channel that is the same everywhere lets nothing through.
    """
    lowest = xp.min(enlarged, axis=(1, 2), keepdims=True)
    span = xp.max(enlarged, axis=(1, 2), keepdims=True) - lowest
    return (enlarged - lowest) / xp.where(span == 0, 1.0, span)
