"""The Universal Scalability Law: its fit, its maximum, and efficiency."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy_loadtest.measures.scalability import Scalability, efficiency, fit_scalability

COUNTS = (1, 2, 4, 8)


@given(contention=st.floats(0, 0.5), coherency=st.floats(0, 0.05), alone=st.floats(1, 1000))
def test_the_fit_finds_the_law_that_made_the_throughputs(
    contention: float, coherency: float, alone: float
) -> None:
    law = Scalability(contention, coherency)
    found = fit_scalability({count: alone * law.speedup(count) for count in COUNTS})
    assert found is not None
    assert found.contention == pytest.approx(contention, abs=1e-6)
    assert found.coherency == pytest.approx(coherency, abs=1e-6)


@given(st.lists(st.floats(1, 1000), min_size=4, max_size=4))
def test_neither_coefficient_is_negative_and_none_fits_better(rates: list[float]) -> None:
    throughputs = dict(zip(COUNTS, rates, strict=True))
    found = fit_scalability(throughputs)
    assert found is not None
    assert min(found.contention, found.coherency) >= 0

    def error(contention: float, coherency: float) -> float:
        return sum(
            (n * rates[0] / rate - 1 - contention * (n - 1) - coherency * n * (n - 1)) ** 2
            for n, rate in throughputs.items()
        )

    least = error(found.contention, found.coherency)
    for change in (0.9, 1.1):
        others = (
            error(found.contention * change, found.coherency),
            error(found.contention, found.coherency * change),
            error(found.contention + 1e-3, found.coherency),
            error(found.contention, found.coherency + 1e-3),
        )
        assert all(other >= least - 1e-9 * max(1.0, least) for other in others)


def test_throughput_is_greatest_at_the_best_number_of_workers() -> None:
    law = Scalability(contention=0.04, coherency=0.0015)
    best = law.best_workers
    assert best == pytest.approx(math.sqrt(0.96 / 0.0015))
    assert law.speedup(best) > max(law.speedup(best - 1), law.speedup(best + 1))


def test_linear_scaling_has_no_maximum_and_more_than_linear_is_linear() -> None:
    for factor in (1.0, 1.02):
        found = fit_scalability({count: 20 * count * factor ** (count - 1) for count in COUNTS})
        assert found == Scalability(0, 0)
        assert found.best_workers == math.inf


def test_efficiency_compares_with_the_fewest_workers() -> None:
    assert efficiency({4: 72.0, 1: 20.0, 2: 40.0}) == {1: 1, 2: 1, 4: 0.9}
    assert efficiency({2: 40.0, 4: 60.0}) == {2: 1, 4: 0.75}


def test_two_numbers_of_workers_do_not_determine_the_law() -> None:
    assert fit_scalability({1: 20.0, 2: 39.0}) is None
