"""Exact percentiles, with upper confidence bounds from order statistics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile of a sample, and what it is below in the population."""

    share: float
    value: float
    upper: float | None
    """The percentile of the population is at most this, at 99 % confidence; None: too few values.
    """


def percentile(ascending: Sequence[float], share: float) -> Percentile | None:
    """Return a percentile of sorted values by the nearest rank; None without values.

    The number of values below the percentile of the population is binomial. So the k-th value is
    at least that percentile with the probability P(Binomial(n, share) < k), for any distribution
    (David and Nagaraja, Order Statistics, section 7.1). `upper` is the first such value that
    reaches the confidence.
    """
    count = len(ascending)
    if count == 0:
        return None
    value = ascending[max(1, math.ceil(share * count)) - 1]
    rank = upper_rank(count, share)
    return Percentile(share, value, None if rank is None else ascending[rank - 1])


def upper_rank(count: int, share: float, *, confidence: float = CONFIDENCE) -> int | None:
    """Return the smallest k with P(Binomial(count, share) < k) ≥ confidence, at most `count`."""
    survival, found = 0.0, None
    for k in range(count, 0, -1):
        survival += math.exp(_log_binomial(count, k, share))  # P(Binomial >= k)
        if survival > 1 - confidence:
            break
        found = k
    return found


def least_count(share: float, *, confidence: float = CONFIDENCE) -> int:
    """Return how many values a bound of this percentile needs."""
    return math.ceil(math.log(1 - confidence) / math.log(share))


def _log_binomial(count: int, k: int, share: float) -> float:
    ways = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
    return ways + k * math.log(share) + (count - k) * math.log1p(-share)
