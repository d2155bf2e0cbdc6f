"""Arrivals of jobs: when each comes, from whom, and what it costs the device."""

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


def renewal_times(
    rate_per_s: float,
    duration_s: float,
    rng: np.random.Generator,
    *,
    variation: float = 1.0,
    start_s: float = 0.0,
) -> FloatArray:
    """Return ascending times whose gaps have the coefficient of variation `variation`.

    1, exponential gaps, is a Poisson process; other gaps are gamma-distributed: more is bursty,
    less is even. Raises `ValueError` unless the variation is greater than 0.
    """
    if variation <= 0:
        raise ValueError("the coefficient of variation of the gaps must be greater than 0")
    blocks: list[FloatArray] = []
    end_s = 0.0
    while end_s < duration_s:
        gaps = _gaps(max(16, int(rate_per_s * duration_s)), rng, variation)
        blocks.append(end_s + np.cumsum(gaps) / rate_per_s)
        end_s = float(blocks[-1][-1])
    times_s = np.concatenate(blocks)
    return start_s + times_s[times_s < duration_s]


def _gaps(count: int, rng: np.random.Generator, variation: float) -> FloatArray:
    """Return gaps with the mean 1."""
    if variation == 1:
        return -np.log1p(-rng.random(count))
    shape = 1 / variation**2
    return rng.gamma(shape, 1 / shape, count)
