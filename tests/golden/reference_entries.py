"""The names and shapes of the entries in `references.npz`, which other libraries computed.

- `MODEL/LIBRARY/METHOD`: (images, targets, h, w) float32, what the library computes before it
  clips, resizes and normalizes. A costly method explains the first images and targets only.
- `MODEL/LIBRARY/METHOD/unit`: (H, W, 3) float16, the gradient with respect to the first image's
  pixels, for its first target, divided by the largest magnitude in it, which is `…/peak`.
- `MODEL/LIBRARY/METHOD/fused`: (H, W) float16 from 0 to 1, the map of several layers.
- `MODEL/logits`: (images, classes); `MODEL/targets`: (images, targets), class indices.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Targets = tuple[tuple[int, ...], ...]
"""Class indices to explain, one row per image."""
Entries = dict[str, NDArray[Any]]


def collect(explain: Callable[[int, int], Any], targets: Targets) -> NDArray[np.float32]:
    """Explain every target of every image, (images, targets, h, w)."""
    rows = [[explain(index, target) for target in wanted] for index, wanted in enumerate(targets)]
    return np.array(rows, np.float32)


def compact(name: str, gradient: NDArray[np.float32]) -> Entries:
    """Hold a gradient in half the bytes, however small its values are."""
    peak = np.abs(gradient).max()
    return {f"{name}/unit": (gradient / peak).astype(np.float16), f"{name}/peak": peak}
