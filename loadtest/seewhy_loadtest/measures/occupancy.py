"""How many jobs are in the service over time: the backlog, its slope, and Little's law."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BLOCKS = 10
T_975 = 2.306
"""The 97.5 % quantile of Student's t with `BLOCKS` - 2 degrees of freedom."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slope:
    """The growth of the backlog, and half the width of its 95 % confidence interval."""

    jobs_per_s: float
    margin_per_s: float

    @property
    def is_positive(self) -> bool:
        """Whether the backlog grows, by the confidence interval."""
        return self.jobs_per_s > self.margin_per_s


def mean_occupancy(begins_s: Floats, ends_s: Floats, *, start_s: float, end_s: float) -> float:
    """Return the mean number of open intervals from `start_s` to `end_s`.

    `begins_s` and `ends_s` have the shape (N,); an interval that never ends has the end infinity.
    """
    inside = np.minimum(ends_s, end_s) - np.maximum(begins_s, start_s)
    return float(np.clip(inside, 0, None).sum() / (end_s - start_s))


def backlog_slope(
    begins_s: Floats, ends_s: Floats, *, start_s: float, end_s: float
) -> Slope | None:
    """Fit a line to the means of ten blocks of time; None without intervals.

    Means of blocks, because the backlog at one moment depends on that before: single samples would
    make the confidence interval far too narrow.
    """
    if begins_s.size == 0:
        return None
    edges = np.linspace(start_s, end_s, BLOCKS + 1)
    means = np.array(
        [
            mean_occupancy(begins_s, ends_s, start_s=first, end_s=last)
            for first, last in pairwise(edges)
        ]
    )
    middles = (edges[:-1] + edges[1:]) / 2
    slope, intercept = np.polyfit(middles, means, 1)
    residuals = means - (slope * middles + intercept)
    spread = float(((middles - middles.mean()) ** 2).sum())
    error = math.sqrt(float((residuals**2).sum()) / (BLOCKS - 2) / spread)
    return Slope(float(slope), T_975 * error)


@dataclass(frozen=True, slots=True)
class LittlesLaw:
    """L = λ W over a stage: jobs in the service, arrivals per second, seconds in the service."""

    jobs: float
    rate_per_s: float
    time_s: float

    @property
    def deviation(self) -> float:
        """|L - λW| / L: small when the load was steady and no job is missing."""
        if self.jobs == 0:
            return 0.0
        return abs(self.jobs - self.rate_per_s * self.time_s) / self.jobs


def littles_law(
    begins_s: Floats, ends_s: Floats, *, start_s: float, end_s: float
) -> LittlesLaw | None:
    """Measure each side of Little's law by itself; None when no job began and ended in the time.

    L is the mean occupancy of the time, λ counts the jobs that began in it, and W is the mean of
    those that ended in it.
    """
    ended = (ends_s >= start_s) & (ends_s < end_s)
    began = int(((begins_s >= start_s) & (begins_s < end_s)).sum())
    if began == 0 or not ended.any():
        return None
    return LittlesLaw(
        jobs=mean_occupancy(begins_s, ends_s, start_s=start_s, end_s=end_s),
        rate_per_s=began / (end_s - start_s),
        time_s=float((ends_s[ended] - begins_s[ended]).mean()),
    )
