"""Choose the images that are held out from training to measure the accuracy."""

import numpy as np
from numpy.typing import NDArray


def hold_out(labels: NDArray[np.int64], *, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Mark the held-out images (N,), drawn from every class in the same proportion.

    `labels` is (N,). Each class keeps at least one image on each side; a `fraction` of 0 holds
    out nothing. The same labels and seed give the same result.
    """
    generator = np.random.default_rng(seed)
    is_held_out = np.zeros(labels.shape, np.bool_)
    for label in np.unique(labels):
        indices = generator.permutation(np.flatnonzero(labels == label))
        count = min(max(round(fraction * indices.size), 1), indices.size - 1) if fraction else 0
        is_held_out[indices[:count]] = True
    return is_held_out
