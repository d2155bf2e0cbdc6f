"""Finer-CAM."""

from types import ModuleType
from typing import Any

RIVALS = 3


def nearest_rivals(scores: Any, classes: Any, *, xp: ModuleType) -> Any:
    """Find the classes that Finer-CAM compares with: the three whose scores are nearest.

    The map is Grad-CAM's, of the score y[c] - 1/|D| Σ_{d∈D} y[d], where D are the rivals of c.

    Zhang et al. 2025, arXiv 2501.11309, with a comparison strength of 1.
    `scores` is (M, classes), `classes` (M,); the rivals are (M, 3), fewer in a smaller model.
    """
    count = scores.shape[1]
    itself = xp.arange(count)[None, :] == classes[:, None]
    own = xp.sum(xp.where(itself, scores, 0.0), axis=1, keepdims=True)
    distance = xp.where(itself, float("inf"), xp.abs(scores - own))
    return xp.argsort(distance, axis=1)[:, : min(RIVALS, count - 1)]
