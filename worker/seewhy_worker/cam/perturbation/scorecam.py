"""Score-CAM and Faster Score-CAM."""

from types import ModuleType
from typing import Any

FASTER_CHANNELS = 10
"""Channels that Faster Score-CAM uses."""


def scorecam(activation: Any, scores: Any, *, xp: ModuleType) -> Any:
    """Weigh each channel by the score of the image masked with it, and sum over channels.

    L[m,i,j] = Σ_c w[m,c] · A[m,i,j,c] with w[m] = softmax over c of scores[m,c]

    `scores[m,c]` is the score of the image times the mask of channel c, see `channel_masks`. Wang
    et al. 2020, arXiv 1910.01279, algorithm 1 without the outer ReLU; the baseline's score, which
    the paper subtracts from each, cancels in the softmax. Faster Score-CAM uses only the
    `FASTER_CHANNELS` channels with the largest variance over space, as its author does.
    `activation` is (M, h, w, C), `scores` (M, C), the map (M, h, w).
    """
    powers = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
    weights = powers / xp.sum(powers, axis=1, keepdims=True)
    return xp.einsum("mc,mhwc->mhw", weights, activation)


def channel_masks(resized: Any, *, xp: ModuleType) -> Any:
    """Scale each channel to 0 … 1: (M, H, W, C), resized to the image, to the same shape.

    The mask of a constant channel is 0.
    """
    lowest = xp.min(resized, axis=(1, 2), keepdims=True)
    span = xp.max(resized, axis=(1, 2), keepdims=True) - lowest
    return (resized - lowest) / xp.where(span == 0, 1.0, span)
