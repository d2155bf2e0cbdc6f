"""Wait for a condition instead of sleeping for a fixed time."""

import math
import time
from collections.abc import Callable

max_wait_s = math.inf
"""Upper bound of every `limit_s`. Lowered where a wait is expected to fail."""
scale = 1.0
"""What every `limit_s` is multiplied by. Raised for runs that are larger than usual."""


def wait_until(condition: Callable[[], bool], *, what: str, limit_s: float = 60.0) -> None:
    """Return when `condition()` holds. Raises `AssertionError` naming `what` after `limit_s`."""
    limit_s = min(limit_s * scale, max_wait_s)
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:g} s"
        time.sleep(0.02)
