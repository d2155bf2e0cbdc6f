"""Measure how well a head classifies held-out images, and how certain that measurement is."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALL_CLASS_SIZE = 10
"""With fewer held-out images than this, the recall of a class means little."""
_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The classification of the held-out images."""

    confusion: NDArray[np.int64]
    """(classes, classes): the number of images of the row's class predicted as the column's."""

    @property
    def count(self) -> int:
        """The number of held-out images."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """The number of correct predictions."""
        return int(np.trace(self.confusion))

    @property
    def majority(self) -> int:
        """The number of correct predictions if the answer were always the most common class."""
        return int(self.confusion.sum(axis=1).max())

    @property
    def recalls(self) -> NDArray[np.float64]:
        """The recall of each class (classes,). Every class must have held-out images."""
        return np.asarray(np.diagonal(self.confusion) / self.confusion.sum(axis=1))

    @property
    def confidence_interval(self) -> tuple[float, float]:
        """The 95 % Wilson score interval of the accuracy (Wilson 1927)."""
        n, accuracy = self.count, self.correct / self.count
        center = accuracy + _Z_95**2 / (2 * n)
        margin = _Z_95 * math.sqrt(accuracy * (1 - accuracy) / n + _Z_95**2 / (4 * n**2))
        low, high = ((center + sign * margin) / (1 + _Z_95**2 / n) for sign in (-1, 1))
        # Rounding may exceed the bounds by an ulp.
        return max(low, 0.0), min(high, 1.0)

    @property
    def has_small_class(self) -> bool:
        """Whether some class has fewer than `SMALL_CLASS_SIZE` held-out images."""
        return bool(self.confusion.sum(axis=1).min() < SMALL_CLASS_SIZE)


def evaluate(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Evaluation:
    """Compare the highest logits of (N, classes) with class indices (N,); N must not be 0."""
    classes = logits.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, logits.argmax(axis=1)), 1)
    return Evaluation(confusion)
