"""Wait for a condition instead of sleeping for luck."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], *, what: str, limit_s: float = 60.0) -> None:
    """Return when `condition()` holds; fail, saying `what` was awaited, after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:g} s"
        time.sleep(0.02)
