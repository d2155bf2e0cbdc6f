"""Percentiles and their confidence bounds."""

import numpy as np
import pytest
from scipy.stats import binom

from seewhy_loadtest.measures.percentiles import Percentile, least_count, percentile, upper_rank


def test_a_percentile_is_a_value_of_the_sample() -> None:
    values = list(range(1, 101))
    assert [percentile(values, share) for share in (0.5, 0.95)] == [
        Percentile(0.5, 50, 63),
        Percentile(0.95, 95, 100),
    ]
    assert percentile([], 0.5) is None


@pytest.mark.parametrize(
    ("count", "rank_in_percent"), [(36_000, 99.122), (12_000, 99.211), (6_000, 99.299)]
)
def test_the_bound_of_p99_is_the_published_order_statistic(
    count: int, rank_in_percent: float
) -> None:
    rank = upper_rank(count, 0.99)
    assert rank is not None
    assert 100 * rank / count == pytest.approx(rank_in_percent, abs=0.01)


@pytest.mark.parametrize("count", [90, 100, 459, 1000, 5000])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
def test_the_rank_is_the_smallest_that_reaches_the_confidence(count: int, share: float) -> None:
    rank = upper_rank(count, share)
    if rank is None:
        assert binom.cdf(count - 1, count, share) < 0.99
    else:
        assert binom.cdf(rank - 1, count, share) >= 0.99 > binom.cdf(rank - 2, count, share)


@pytest.mark.parametrize(("share", "count"), [(0.95, 90), (0.99, 459)])
def test_a_bound_needs_a_least_number_of_values(share: float, count: int) -> None:
    assert least_count(share) == count
    assert upper_rank(count - 1, share) is None
    assert upper_rank(count, share) == count


def test_the_bound_holds_for_99_percent_of_the_samples() -> None:
    random = np.random.default_rng(0)
    samples = np.sort(random.exponential(size=(2000, 300)))
    rank = upper_rank(300, 0.9)
    assert rank is not None
    covered = (samples[:, rank - 1] >= -np.log(0.1)).mean()
    assert 0.985 <= covered <= 1.0
