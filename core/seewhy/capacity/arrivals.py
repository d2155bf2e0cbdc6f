"""Arrivals of jobs: when each comes, from whom, and what it costs the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrivals:
    """The jobs of a simulation in the order of their arrival; every array has the shape (jobs,).

    `lanes` are priorities, 0 first. Without `tenants`, `lanes` or `costs` all jobs have one tenant,
    the first lane or the cost 1.
    """

    times_s: FloatArray
    tenants: IntArray | None = None
    lanes: IntArray | None = None
    costs: FloatArray | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` when the times do not ascend or the lengths differ."""
        if len(self.times_s) == 0 or np.any(np.diff(self.times_s) < 0):
            raise ValueError("arrivals need at least one time, in ascending order")
        arrays = (self.tenants, self.lanes, self.costs)
        if any(array is not None and array.shape != self.times_s.shape for array in arrays):
            raise ValueError("arrivals need one tenant, lane and cost for each time")

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self.times_s)


def poisson_times(
    rate_per_s: float, duration_s: float, rng: np.random.Generator, *, start_s: float = 0.0
) -> FloatArray:
    """Return the times of a Poisson process: their number is random, too."""
    count = rng.poisson(rate_per_s * duration_s)
    return start_s + np.sort(rng.random(count)) * duration_s


def gamma_times(
    rate_per_s: float, duration_s: float, rng: np.random.Generator, *, variation: float
) -> FloatArray:
    """Return times with gamma-distributed gaps, whose coefficient of variation is `variation`.

    1 is a Poisson process, more is bursty, less is even.
    """
    if variation <= 0:
        raise ValueError("the coefficient of variation of the gaps must be greater than 0")
    shape = 1 / variation**2
    expected = rate_per_s * duration_s
    count = int(expected + 10 * (1 + variation) * np.sqrt(expected) + 10)
    times = np.cumsum(rng.gamma(shape, 1 / (rate_per_s * shape), count))
    return times[times < duration_s]


def step_times(steps: Sequence[tuple[float, float]], rng: np.random.Generator) -> FloatArray:
    """Return Poisson times whose rate changes: each step is a rate per s and a duration in s."""
    ends_s = np.cumsum([duration_s for _, duration_s in steps])
    return np.concatenate(
        [
            poisson_times(rate_per_s, duration_s, rng, start_s=end_s - duration_s)
            for (rate_per_s, duration_s), end_s in zip(steps, ends_s, strict=True)
        ]
    )
