"""Robust slopes of what grows with each job, compared with SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import theilslopes

from seewhy_loadtest.measures.growth import fit_growth

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(-20, 20)), min_size=4, max_size=30)


@given(points=POINTS)
def test_slope_and_interval_are_those_of_scipy(points: list[tuple[int, int]]) -> None:
    xs, ys = (np.array(each, dtype=np.float64) for each in zip(*sorted(points), strict=True))
    found = fit_growth(xs, ys)
    if found is None:
        assert len(set(xs)) == 1
        return
    with np.errstate(invalid="ignore"):
        expected = theilslopes(ys, xs)
    assert found.slope == pytest.approx(expected.slope)
    if not np.isnan(expected.low_slope):  # almost all values are equal
        interval = (expected.low_slope, expected.high_slope)
        assert (found.low, found.high) == pytest.approx(interval)


def test_an_outlier_does_not_move_the_slope_and_the_interval_covers_it() -> None:
    jobs = np.arange(200, dtype=np.float64)
    memory = 3 * jobs + np.random.default_rng(1).normal(0, 20, 200)
    memory[50] = 1e6
    found = fit_growth(jobs, memory)
    assert found is not None
    assert found.low < 3 < found.high
    assert found.slope == pytest.approx(3, abs=0.1)


def test_a_constant_does_not_grow() -> None:
    found = fit_growth(np.arange(10.0), np.full(10, 45.0))
    assert found is not None
    assert (found.slope, found.low, found.high) == (0, 0, 0)


def test_a_long_run_is_thinned_and_keeps_its_slope() -> None:
    jobs = np.arange(50_000, dtype=np.float64)
    found = fit_growth(jobs, 0.5 * jobs)
    assert found is not None
    assert found.slope == pytest.approx(0.5)


def test_one_sample_has_no_slope() -> None:
    assert fit_growth(np.array([1.0]), np.array([2.0])) is None
    assert fit_growth(np.empty(0), np.empty(0)) is None
