"""When a message that was not delivered is tried again: the Standard Webhooks schedule."""

import random
from collections.abc import Callable, Sequence

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
"""Before each attempt, since the one before: ten attempts over three days and four hours."""

LONGEST_WAIT_S = 24 * HOUR_S
JITTER = 0.1


def delay_ms(
    attempts: int,
    *,
    retry_after_s: float | None = None,
    delays_s: Sequence[float] = DELAYS_S,
    chance: Callable[[], float] = random.random,
) -> int | None:
    """Return how long to wait after so many attempts, in ms; None when there is to be no other.

    Up to a tenth is added by `chance`, in [0, 1), so that what failed together does not come back
    together. `retry_after_s`, what the receiver asked for, can lengthen the wait, to a day at most.
    """
    if attempts >= len(delays_s):
        return None
    asked_s = min(retry_after_s or 0.0, LONGEST_WAIT_S)
    return round(max(delays_s[attempts], asked_s) * 1000 * (1 + JITTER * chance()))
