"""Finer-CAM."""

from types import ModuleType
from typing import Any

RIVALS = 3


def nearest_rivals(scores: Any, classes: Any, *, xp: ModuleType) -> Any:
    """Choose the classes that Finer-CAM compares with: the three with the nearest scores.

    The map is that of Grad-CAM for y[c] - 1/|D| Σ_{d∈D} y[d], where D are the rivals of c.

    Zhang et al. 2025, arXiv 2501.11309, with a comparison strength of 1.
    `scores` is (M, classes), `classes` (M,), the result is (M, 3), narrower for a model of
    fewer classes.
    """
    count = scores.shape[1]
    is_self = xp.arange(count)[None, :] == classes[:, None]
    own = xp.sum(xp.where(is_self, scores, 0.0), axis=1, keepdims=True)
    distance = xp.where(is_self, float("inf"), xp.abs(scores - own))
    return xp.argsort(distance, axis=1)[:, : min(RIVALS, count - 1)]
