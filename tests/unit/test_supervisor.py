from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from seewhy.embedded.supervisor import Backoff

deaths = st.integers(min_value=1, max_value=10_000)


def test_the_wait_doubles_with_each_death_in_a_row() -> None:
    backoff = Backoff(first_s=0.5, longest_s=30.0)

    assert [backoff.delay_s(count) for count in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


@given(st.lists(deaths, min_size=2).map(sorted))
def test_more_deaths_never_shorten_the_wait_nor_exceed_the_longest(counts: list[int]) -> None:
    backoff = Backoff(first_s=0.2, longest_s=7.0)

    waits_s = [backoff.delay_s(count) for count in counts]

    assert all(earlier <= later for earlier, later in pairwise(waits_s))
    assert waits_s[0] >= 0.2
    assert waits_s[-1] <= 7.0
