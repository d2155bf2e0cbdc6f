"""Scores of a segmentation: one number for each class, from the logits of all pixels."""

from typing import Any

import keras


def segment_scores(logits: Any) -> Any:
    """Sum the logits of each class over the pixels that are predicted as that class.

    y_c = Σ_{(i,j) ∈ M_c} z_cij with M_c the pixels where z_c is the largest logit: logits
    (N, H, W, classes) → (N, classes). The gradient passes through the logits, not through the
    choice of the pixels. A class that is predicted nowhere has the score 0, and no gradient.

    Vinogradova et al. 2020, arXiv 2002.11434, with the predicted pixels as the set M.
    """
    predicted = keras.ops.one_hot(keras.ops.argmax(logits, axis=-1), logits.shape[-1])
    # `where` keeps an infinite logit of another class from becoming not a number.
    return keras.ops.sum(keras.ops.where(predicted > 0, logits, 0.0), axis=(1, 2))
