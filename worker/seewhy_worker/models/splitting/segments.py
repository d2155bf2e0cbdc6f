"""Scores of a segmentation: one number for each class, from the logits of all pixels."""

from typing import Any

import keras


def segment_scores(logits: Any, selection: Any = None) -> Any:
    """Sum the logits of each class over the pixels that are predicted as that class.

    y_c = Σ_{(i,j) ∈ M_c ∩ S} z_cij with M_c the pixels where z_c is the largest logit, and S those
    of `selection`, (H, W) boolean, or all: logits (N, H, W, classes) → (N, classes). The gradient
    passes through the logits, not through the choice of the pixels. A class that is predicted
    nowhere in S has the score 0, and no gradient.

    Vinogradova et al. 2020, arXiv 2002.11434, with the predicted pixels in S as the set M.
    """
    counts = keras.ops.one_hot(keras.ops.argmax(logits, axis=-1), logits.shape[-1]) > 0
    if selection is not None:
        counts = keras.ops.logical_and(counts, selection[..., None])
    # `where` keeps an infinite logit of another class from becoming not a number.
    return keras.ops.sum(keras.ops.where(counts, logits, 0.0), axis=(1, 2))
