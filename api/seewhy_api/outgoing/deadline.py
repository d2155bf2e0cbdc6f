"""A point in time by which a whole HTTP request must be finished."""

import time
from collections.abc import Callable


class Deadline:
    """A shared time budget for all the waits of one request."""

    def __init__(self, limit_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Expire `limit_s` from now."""
        self._clock = clock
        self._expires_at = clock() + limit_s

    def remaining_s(self, *, at_most_s: float = float("inf")) -> float:
        """Return the remaining time, capped at `at_most_s`. Raises `TimeoutError` at zero."""
        remaining_s = self._expires_at - self._clock()
        if remaining_s <= 0:
            raise TimeoutError
        return min(remaining_s, at_most_s)
