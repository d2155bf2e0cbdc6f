"""How throughput grows with the workers: efficiency, and the Universal Scalability Law."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Scalability:
    """X(N) = N X(1) / (1 + σ(N - 1) + κN(N - 1)), the throughput X of N workers.

    Gunther, "A General Theory of Computational Scalability Based on Rational Functions" (2008).
    """

    contention: float
    """σ: the share of the work that only one worker can do at a time."""
    coherency: float
    """κ: the cost of each pair of workers that must agree."""

    @property
    def best_workers(self) -> float:
        """N* = √((1 - σ)/κ), beyond which throughput falls; infinite without a maximum."""
        if self.coherency == 0:
            return math.inf
        return math.sqrt(max(0.0, 1 - self.contention) / self.coherency)

    def speedup(self, workers: float) -> float:
        """Return X(N) / X(1)."""
        pairs = workers * (workers - 1)
        return workers / (1 + self.contention * (workers - 1) + self.coherency * pairs)


def efficiency(throughputs: Mapping[int, float]) -> dict[int, float]:
    """Return E(N) = X(N) / (N X(1)) for each number of workers.

    X(1) is that of the smallest number of workers, divided by their number.
    """
    alone = _of_one(throughputs)
    return {workers: each / (workers * alone) for workers, each in sorted(throughputs.items())}


def fit_scalability(throughputs: Mapping[int, float]) -> Scalability | None:
    """Fit σ and κ, neither negative, by least squares; None with fewer than three numbers.

    The law is linear in both: N X(1) / X(N) - 1 = σ(N - 1) + κN(N - 1).
    """
    counts = np.array(sorted(throughputs), dtype=np.float64)
    if counts.size < 3:
        return None
    rates = np.array([throughputs[int(count)] for count in counts])
    loss = counts * _of_one(throughputs) / rates - 1
    terms = np.column_stack([counts - 1, counts * (counts - 1)])
    # The least squares within bounds are the best of those on each face of the region.
    both = np.linalg.lstsq(terms, loss, rcond=None)[0]
    single = np.diag(terms.T @ loss / (terms**2).sum(axis=0))
    allowed = [each for each in (both, *single, np.zeros(2)) if (each >= 0).all()]
    best = min(allowed, key=lambda each: float(((terms @ each - loss) ** 2).sum()))
    return Scalability(contention=float(best[0]), coherency=float(best[1]))


def _of_one(throughputs: Mapping[int, float]) -> float:
    fewest = min(throughputs)
    return throughputs[fewest] / fewest
