"""What grows with each job of a long run, such as memory: a robust slope and its confidence."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from seewhy_loadtest.measures.occupancy import Floats

CONFIDENCE = 0.95
MAX_SAMPLES = 1_000
"""Of more samples, evenly spaced ones are used: the pairs of all would not fit into memory."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A slope by Theil and Sen, and the ends of its 95 % confidence interval."""

    slope: float
    low: float
    high: float


def fit_growth(xs: Floats, ys: Floats) -> Growth | None:
    """Fit `ys` (N,) to ascending `xs` (N,); None when there are fewer than two different xs.

    The slope is the median of the slopes of all pairs, which single outliers do not move. The
    interval counts ranks, whatever the distribution of the errors, and takes samples as independent
    (Sen 1968, Estimates of the Regression Coefficient Based on Kendall's Tau).
    """
    step = math.ceil(xs.size / MAX_SAMPLES) or 1
    xs, ys = xs[::-step][::-1], ys[::-step][::-1]
    first, second = np.triu_indices(xs.size, k=1)
    apart = xs[second] != xs[first]
    first, second = first[apart], second[apart]
    slopes = np.sort((ys[second] - ys[first]) / (xs[second] - xs[first]))
    if slopes.size == 0:
        return None
    margin = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(_variance(xs, ys))
    low = max(0, round((slopes.size - margin) / 2) - 1)
    high = min(slopes.size - 1, round((slopes.size + margin) / 2))
    return Growth(float(np.median(slopes)), float(slopes[low]), float(slopes[high]))


def _variance(xs: Floats, ys: Floats) -> float:
    """Return the variance of Kendall's S without a trend, less that of ties (Sen 1968, 2.6)."""

    def term(count: float) -> float:
        return count * (count - 1) * (2 * count + 5)

    ties = [count for each in (xs, ys) for count in np.unique(each, return_counts=True)[1]]
    return max(0.0, term(xs.size) - sum(term(float(count)) for count in ties)) / 18
