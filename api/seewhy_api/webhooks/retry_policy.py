"""When a failed delivery is retried: the Standard Webhooks schedule and `Retry-After`."""

import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MINUTE_S = 60
HOUR_S = 3_600

DELAYS_S: Sequence[float] = (
    0,
    5,
    5 * MINUTE_S,
    30 * MINUTE_S,
    2 * HOUR_S,
    5 * HOUR_S,
    10 * HOUR_S,
    14 * HOUR_S,
    20 * HOUR_S,
    24 * HOUR_S,
)
"""The delay before each attempt: ten attempts in three days and four hours."""

MAX_RETRY_AFTER_S = 24 * HOUR_S
JITTER = 0.1


def retry_delay_ms(
    attempts: int,
    *,
    retry_after_s: float | None = None,
    delays_s: Sequence[float] = DELAYS_S,
    jitter: Callable[[], float] = random.random,
) -> int | None:
    """Return the delay after `attempts` attempts, in ms; None when no attempt remains.

    A longer `retry_after_s` replaces the scheduled delay, up to one day. Adds up to a tenth, scaled
    by `jitter` in [0, 1), so that deliveries that failed together do not retry together.
    """
    if attempts >= len(delays_s):
        return None
    requested_s = min(retry_after_s or 0.0, MAX_RETRY_AFTER_S)
    return round(max(delays_s[attempts], requested_s) * 1000 * (1 + JITTER * jitter()))


def parse_retry_after_s(text: str, *, now: datetime | None = None) -> float | None:
    """Parse a Retry-After header, seconds or a date (RFC 9110, 10.2.3); None if it is invalid."""
    if re.fullmatch(r"[0-9]{1,12}", seconds := text.strip(" \t")):
        return float(seconds)
    try:
        date = parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, OverflowError):
        return None
