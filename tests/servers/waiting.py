"""Wait for a condition instead of sleeping for luck."""

import math
import time
from collections.abc import Callable

longest_s = math.inf
"""No wait is longer, whatever it asks for. Set where a run is expected to wait in vain."""


def wait_until(condition: Callable[[], bool], *, what: str, limit_s: float = 60.0) -> None:
    """Return when `condition()` holds; fail, saying `what` was awaited, after `limit_s`."""
    limit_s = min(limit_s, longest_s)
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:g} s"
        time.sleep(0.02)
