"""Train the head by multinomial logistic regression, a convex problem with one solution.

Unlike training by gradient steps there is no learning rate or number of epochs to choose, the
order of the images does not matter, and the same features give the same head.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAX_ITERATIONS = 1000


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A linear classifier: logits are `features @ kernel + bias`, without standardization."""

    kernel: NDArray[np.float32]
    """(C, classes)."""
    bias: NDArray[np.float32]
    """(classes,)."""

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map features (N, C) to logits (N, classes)."""
        return np.asarray(features @ self.kernel + self.bias)


def train_head(
    features: NDArray[np.float32], labels: NDArray[np.int64], *, classes: int
) -> LinearHead:
    """Fit a head to features (N, C) and class indices (N,), with all classes weighted equally.

    The features are standardized to mean 0 and deviation 1; the returned kernel includes the
    inverse. Each weight has a standard normal prior: the loss is the cross-entropy, summed over
    the images with weights N / (classes · images of the class), plus half the squared weights.
    The biases are not penalized. Raises `ValueError` when a class has no image.
    """
    # Imported here because only `seewhy fit` needs scikit-learn; workers run without it.
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise ValueError(f"each class needs images; the counts are {counts.tolist()}")
    exact = features.astype(np.float64)
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    # Do not amplify channels that are constant up to rounding.
    deviation[deviation <= 1e-6 * deviation.max()] = 1.0
    model = LogisticRegression(class_weight="balanced", max_iter=_MAX_ITERATIONS, tol=1e-6)
    model.fit((exact - mean) / deviation, labels)
    weights, bias = model.coef_.T, model.intercept_
    if classes == 2:  # scikit-learn fits one logit z; split it into -z/2 and z/2
        weights, bias = np.hstack([-weights, weights]) / 2, np.hstack([-bias, bias]) / 2
    kernel = weights / deviation[:, np.newaxis]
    bias = bias - bias.mean() - mean @ kernel
    return LinearHead(kernel.astype(np.float32), bias.astype(np.float32))
