"""The backlog, its slope, Little's law and the offset of clocks."""

import math

import numpy as np
import pytest

from seewhy_loadtest.measures.occupancy import backlog_slope, littles_law, mean_occupancy
from seewhy_loadtest.measures.service_clock import clock_offset


def test_occupancy_counts_the_part_of_each_interval_inside() -> None:
    begins, ends = np.array([-1.0, 1.0, 3.0]), np.array([1.0, 2.0, math.inf])
    assert mean_occupancy(begins, ends, start_s=0, end_s=4) == (1 + 1 + 1) / 4


def test_littles_law_holds_for_a_steady_queue() -> None:
    random = np.random.default_rng(1)
    begins = np.cumsum(random.exponential(0.1, 20_000))
    ends, free_at = np.empty_like(begins), 0.0
    for job, begin in enumerate(begins):
        free_at = ends[job] = max(begin, free_at) + 0.08
    law = littles_law(begins, ends, start_s=100, end_s=1900)
    assert law is not None
    assert law.deviation < 0.01
    waiting_s = 0.8 * 0.08 / (2 * (1 - 0.8))  # M/D/1, Pollaczek and Khinchine
    assert law.time_s == pytest.approx(0.08 + waiting_s, rel=0.1)


def test_littles_law_shows_jobs_that_never_end() -> None:
    begins = np.arange(0, 100, 0.1)
    ends = begins + 1.0
    ends[::10] = math.inf
    law = littles_law(begins, ends, start_s=10, end_s=100)
    assert law is not None
    assert law.deviation > 0.5


def test_an_overloaded_queue_has_a_backlog_that_grows_by_the_excess() -> None:
    begins = np.arange(0, 60, 1 / 12)
    ends = (np.arange(len(begins)) + 1) / 10
    slope = backlog_slope(begins, ends, start_s=0, end_s=60)
    assert slope is not None
    assert slope.jobs_per_s == pytest.approx(2.0, rel=0.02)
    assert slope.is_positive


@pytest.mark.parametrize("seed", range(5))
def test_the_backlog_of_a_steady_queue_does_not_grow(seed: int) -> None:
    random = np.random.default_rng(seed)
    begins = np.sort(random.uniform(0, 60, 1200))
    slope = backlog_slope(begins, begins + 0.5, start_s=1, end_s=60)
    assert slope is not None
    assert not slope.is_positive or slope.jobs_per_s < 0.05


def test_a_clock_that_is_ahead_is_found_from_the_shortest_request() -> None:
    jobs = [(1.000, 6.004, 1.010), (2.000, 7.001, 2.003), (3.000, 8.090, 3.100)]
    found = clock_offset(jobs)
    assert found.offset_s == pytest.approx(5.0, abs=0.002)
    assert found.margin_s <= 0.0021


def test_a_clock_that_may_be_right_is_not_corrected() -> None:
    assert clock_offset([(1.0, 1.004, 1.010)]).offset_s == 0.0
