"""Multinomial logistic regression: the head, as one convex problem with one answer.

Not gradient steps over epochs: there is no rate or number of epochs to choose, no order of the
pictures, and the same features give the same head.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Head:
    """Logits are `features @ kernel + bias`, for features as the network gives them."""

    kernel: NDArray[np.float32]
    """(C, classes)."""
    bias: NDArray[np.float32]
    """(classes,)."""

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score features (N, C); returns (N, classes)."""
        return np.asarray(features @ self.kernel + self.bias)


def train(features: NDArray[np.float32], labels: NDArray[np.int64], *, classes: int) -> Head:
    """Fit a head to features (N, C) and class indices (N,), every class with the same say.

    Features are brought to mean 0 and deviation 1, which the returned kernel undoes, and each
    weight has a standard normal prior: the loss is the cross-entropy, summed over the pictures
    with weights N / (classes * pictures of the class), plus half the squared weights. The biases
    are free. Raises `ValueError` where a class has no picture.
    """
    # Imported by the one command that trains: a worker never needs it.
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise ValueError(f"pictures of each class are needed; there are {counts.tolist()}")
    exact = features.astype(np.float64)
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    # A channel that is dead but for rounding must not be blown up.
    deviation[deviation <= 1e-6 * deviation.max()] = 1.0
    found = LogisticRegression(class_weight="balanced", max_iter=_STEPS, tol=1e-6)
    found.fit((exact - mean) / deviation, labels)
    weights, bias = found.coef_.T, found.intercept_
    if classes == 2:  # scored by one logit z, as -z/2 and z/2
        weights, bias = np.hstack([-weights, weights]) / 2, np.hstack([-bias, bias]) / 2
    kernel = weights / deviation[:, np.newaxis]
    bias = bias - bias.mean() - mean @ kernel
    return Head(kernel.astype(np.float32), bias.astype(np.float32))
