"""Schedules of load tests: their rates, their gaps, and that a seed determines them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy_loadtest.generation.schedules import Schedule, ScheduleKind, Step, make_schedule
from seewhy_loadtest.stages.options import parse_steps

POISSON, BURST, CONSTANT = ScheduleKind.POISSON, ScheduleKind.BURST, ScheduleKind.CONSTANT


def schedule(
    kind: ScheduleKind, rate_per_s: float, duration_s: float, *, seed: int = 1
) -> Schedule:
    return make_schedule(kind, [Step(rate_per_s, duration_s)], seed=seed)


def variation_of_gaps(arrivals_s: np.ndarray) -> float:
    gaps = np.diff(arrivals_s)
    return float(gaps.std() / gaps.mean())


def test_a_constant_schedule_has_equal_gaps() -> None:
    assert schedule(CONSTANT, 4, 1).arrivals_us.tolist() == [0, 250_000, 500_000, 750_000]


@pytest.mark.parametrize(
    ("kind", "variation", "tolerance"), [(POISSON, 1.0, 0.03), (BURST, 2.0, 0.1)]
)
def test_gaps_have_the_mean_and_the_variation_of_their_kind(
    kind: ScheduleKind, variation: float, tolerance: float
) -> None:
    made = schedule(kind, 100, 400)
    assert len(made.arrivals_us) == pytest.approx(40_000, rel=0.03)
    assert variation_of_gaps(made.arrivals_s) == pytest.approx(variation, abs=tolerance)


def test_counts_of_a_poisson_schedule_have_a_variance_equal_to_their_mean() -> None:
    counts, _ = np.histogram(schedule(POISSON, 20, 2000).arrivals_s, bins=2000)
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.1)


@given(
    kind=st.sampled_from(ScheduleKind),
    rate=st.floats(0.5, 50),
    duration=st.floats(0.5, 20),
    seed=st.integers(0, 2**32),
)
def test_arrivals_ascend_within_the_duration_and_a_seed_determines_them(
    kind: ScheduleKind, rate: float, duration: float, seed: int
) -> None:
    made, again = (schedule(kind, rate, duration, seed=seed) for _ in range(2))
    assert made.digest == again.digest
    assert (np.diff(made.arrivals_us) >= 0).all()
    assert ((made.arrivals_s >= 0) & (made.arrivals_s <= duration)).all()


def test_the_digest_of_a_schedule_never_changes() -> None:
    digest = schedule(POISSON, 50, 60).digest
    assert digest == "b3184700601f408f8deb645519318fd9e38c4fbf43e77ef7b05400305f9c6b8e"
    assert schedule(POISSON, 50, 60, seed=2).digest != digest


def test_steps_follow_each_other() -> None:
    made = make_schedule(CONSTANT, parse_steps("1x2,4x1"), seed=1)
    assert made.arrivals_s.tolist() == [0, 1, 2, 2.25, 2.5, 2.75]
    assert (made.duration_s, made.rate_per_s) == (3, 2)
