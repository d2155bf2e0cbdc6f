"""The delay before a supervised child restarts."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from seewhy.embedded.supervisor import Backoff

failure_counts = st.integers(min_value=1, max_value=10_000)


def test_the_delay_doubles_with_each_failure_in_a_row() -> None:
    backoff = Backoff(initial_s=0.5, max_s=30.0)

    assert [backoff.delay_s(count) for count in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


@given(st.lists(failure_counts, min_size=2).map(sorted))
def test_more_failures_never_shorten_the_delay_or_exceed_the_maximum(counts: list[int]) -> None:
    backoff = Backoff(initial_s=0.2, max_s=7.0)

    delays_s = [backoff.delay_s(count) for count in counts]

    assert all(earlier <= later for earlier, later in pairwise(delays_s))
    assert delays_s[0] >= 0.2
    assert delays_s[-1] <= 7.0
