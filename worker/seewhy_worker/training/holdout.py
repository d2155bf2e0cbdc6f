"""Which pictures are kept from the training, to say how good it is."""

import numpy as np
from numpy.typing import NDArray


def hold_out(labels: NDArray[np.int64], *, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Say of each picture (N,) whether it is held out: the `fraction` of every class, drawn.

    At least one picture of a class is held out and at least one is not; with a fraction of 0
    none is. The same labels and seed give the same answer.
    """
    generator = np.random.default_rng(seed)
    held = np.zeros(labels.shape, np.bool_)
    for label in np.unique(labels):
        places = generator.permutation(np.flatnonzero(labels == label))
        count = min(max(round(fraction * places.size), 1), places.size - 1) if fraction else 0
        held[places[:count]] = True
    return held
