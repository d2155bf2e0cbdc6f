"""How good a head is on pictures that it has not seen, and how sure one can be of that."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEW = 10
"""Held-out pictures of a class, below which its share of right answers says next to nothing."""
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What became of the held-out pictures."""

    confusion: NDArray[np.int64]
    """(classes, classes): pictures of the class of the row that were taken for that of the column.
    """

    @property
    def count(self) -> int:
        """The pictures held out."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """How many were recognised."""
        return int(np.trace(self.confusion))

    @property
    def commonest(self) -> int:
        """How many would be by always answering with the commonest class."""
        return int(self.confusion.sum(axis=1).max())

    @property
    def recalls(self) -> NDArray[np.float64]:
        """Each class's share of right answers (classes,); every class has held-out pictures."""
        return np.asarray(np.diagonal(self.confusion) / self.confusion.sum(axis=1))

    @property
    def interval(self) -> tuple[float, float]:
        """Between what shares of right answers the true one lies, with 95 %: Wilson 1927."""
        n, share = self.count, self.right / self.count
        middle = share + _Z**2 / (2 * n)
        reach = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
        # In exact arithmetic both ends lie within 0 and 1.
        low, high = ((middle + sign * reach) / (1 + _Z**2 / n) for sign in (-1, 1))
        return max(low, 0.0), min(high, 1.0)

    @property
    def is_small(self) -> bool:
        """Whether some class has fewer than `FEW` held-out pictures."""
        return bool(self.confusion.sum(axis=1).min() < FEW)


def evaluate(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Evaluation:
    """Compare the best of (N, classes) with the class indices (N,); N is at least 1."""
    classes = logits.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, logits.argmax(axis=1)), 1)
    return Evaluation(confusion)
