"""When a webhook is tried again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy_api.webhooks.client import retry_after_s
from seewhy_api.webhooks.retry_policy import DELAYS_S, JITTER, LONGEST_WAIT_S, delay_ms

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


def never() -> float:
    return 0.0


def test_the_schedule_is_the_specifications() -> None:
    waits = [delay_ms(attempts, chance=never) for attempts in range(11)]
    assert waits == [
        0,
        5_000,
        300_000,
        1_800_000,
        7_200_000,
        18_000_000,
        36_000_000,
        50_400_000,
        72_000_000,
        86_400_000,
        None,
    ]


@given(
    attempts=st.integers(0, 9),
    asked_s=st.none() | st.floats(0, 1e12),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_shorter_than_planned_or_asked_for_nor_much_longer(
    attempts: int, asked_s: float | None, chance: float
) -> None:
    wait_ms = delay_ms(attempts, retry_after_s=asked_s, chance=lambda: chance)
    least_ms = 1000 * max(DELAYS_S[attempts], min(asked_s or 0, LONGEST_WAIT_S))
    assert wait_ms is not None
    assert least_ms - 1 <= wait_ms <= least_ms * (1 + JITTER) + 1


def test_a_receiver_cannot_ask_for_an_attempt_beyond_the_last() -> None:
    assert delay_ms(10, retry_after_s=5) is None


def test_another_schedule_can_be_kept() -> None:
    assert [delay_ms(n, delays_s=(0, 0.01), chance=never) for n in range(3)] == [0, 10, None]


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("Wed, 21 Oct 2026 07:29:00 GMT", 60),
        ("Wed, 21 Oct 2026 07:29:00 -0000", 60),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0),
        ("999999999999", 999_999_999_999),
        ("9" * 5_000, None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2026 07:28:00 +99999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(text: str, wait_s: float | None) -> None:
    assert retry_after_s(text, now=NOW) == wait_s


@given(st.text())
def test_no_retry_after_does_harm(text: str) -> None:
    wait_s = retry_after_s(text, now=NOW)
    assert wait_s is None or wait_s >= 0
