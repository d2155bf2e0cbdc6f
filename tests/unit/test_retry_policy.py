"""The retry schedule of webhooks."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seewhy_api.webhooks.retry_policy import (
    DELAYS_S,
    JITTER,
    MAX_RETRY_AFTER_S,
    parse_retry_after_s,
    retry_delay_ms,
)

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


def no_jitter() -> float:
    return 0.0


def test_the_schedule_follows_the_specification() -> None:
    waits = [retry_delay_ms(attempts, jitter=no_jitter) for attempts in range(11)]
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
    requested_s=st.none() | st.floats(0, 1e12),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_a_delay_is_at_least_as_long_as_scheduled_and_requested(
    attempts: int, requested_s: float | None, jitter: float
) -> None:
    wait_ms = retry_delay_ms(attempts, retry_after_s=requested_s, jitter=lambda: jitter)
    least_ms = 1000 * max(DELAYS_S[attempts], min(requested_s or 0, MAX_RETRY_AFTER_S))
    assert wait_ms is not None
    assert least_ms - 1 <= wait_ms <= least_ms * (1 + JITTER) + 1


def test_retry_after_adds_no_attempt() -> None:
    assert retry_delay_ms(10, retry_after_s=5) is None


def test_the_schedule_can_be_replaced() -> None:
    assert [retry_delay_ms(n, delays_s=(0, 0.01), jitter=no_jitter) for n in range(3)] == [
        0,
        10,
        None,
    ]


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
def test_retry_after_is_seconds_or_a_date_or_invalid(text: str, wait_s: float | None) -> None:
    assert parse_retry_after_s(text, now=NOW) == wait_s


@given(st.text())
@example("0\x1f")
def test_any_retry_after_is_parsed_without_an_error(text: str) -> None:
    wait_s = parse_retry_after_s(text, now=NOW)
    assert wait_s is None or wait_s >= 0
