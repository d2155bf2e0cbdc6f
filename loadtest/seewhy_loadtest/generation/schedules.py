"""When requests are sent: schedules that a seed determines."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from seewhy.capacity.arrivals import renewal_times

BURST_CV = 2.0
"""The coefficient of variation of the gaps between the arrivals of a burst schedule."""


class ScheduleKind(StrEnum):
    """How arrivals are distributed."""

    POISSON = "poisson"
    BURST = "burst"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a schedule with one rate."""

    rate_per_s: float
    duration_s: float


@dataclass(frozen=True, eq=False, slots=True)
class Schedule:
    """The intended times of all requests."""

    kind: ScheduleKind
    seed: int
    steps: tuple[Step, ...]
    arrivals_us: NDArray[np.int64]
    """Shape (N,): microseconds since the start, ascending."""

    @property
    def duration_s(self) -> float:
        """How long requests are sent."""
        return sum(step.duration_s for step in self.steps)

    @property
    def rate_per_s(self) -> float:
        """The mean intended rate."""
        return sum(step.rate_per_s * step.duration_s for step in self.steps) / self.duration_s

    @property
    def arrivals_s(self) -> NDArray[np.float64]:
        """Shape (N,): seconds since the start."""
        return self.arrivals_us / 1e6

    @property
    def digest(self) -> str:
        """The SHA-256 of the arrivals: equal for equal kinds, seeds and steps."""
        return hashlib.sha256(self.arrivals_us.astype("<i8").tobytes()).hexdigest()


def make_schedule(kind: ScheduleKind, steps: Sequence[Step], *, seed: int) -> Schedule:
    """Return the schedule of a seed.

    Gaps are exponential (`poisson`), gamma-distributed with the coefficient of variation 2
    (`burst`), or equal (`constant`). Steps follow each other.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    parts, start_s = [], 0.0
    for step in steps:
        parts.append(start_s + _arrivals_s(kind, step, random))
        start_s += step.duration_s
    arrivals_us = np.rint(np.concatenate(parts) * 1e6).astype(np.int64)
    return Schedule(kind, seed, tuple(steps), arrivals_us)


def _arrivals_s(kind: ScheduleKind, step: Step, random: np.random.Generator) -> NDArray[np.float64]:
    if kind is ScheduleKind.CONSTANT:
        return np.arange(round(step.rate_per_s * step.duration_s)) / step.rate_per_s
    variation = BURST_CV if kind is ScheduleKind.BURST else 1.0
    return renewal_times(step.rate_per_s, step.duration_s, random, variation=variation)
