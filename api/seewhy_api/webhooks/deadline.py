"""One point in time by which a whole exchange has to be over."""

import time
from collections.abc import Callable


class Deadline:
    """Counts down from its making. Every wait of an exchange takes what is left of it."""

    def __init__(self, limit_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Be over `limit_s` from now."""
        self._clock = clock
        self._over_at = clock() + limit_s

    def left_s(self, *, at_most_s: float = float("inf")) -> float:
        """Return the time left, or `at_most_s`. Raises `TimeoutError` when there is none."""
        left_s = self._over_at - self._clock()
        if left_s <= 0:
            raise TimeoutError
        return min(left_s, at_most_s)
