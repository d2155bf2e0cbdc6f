"""How far the service's clock is ahead of the generator's."""

from collections.abc import Iterable
from dataclasses import dataclass

_RESOLUTION_S = 0.001
"""Timestamps of the service are whole milliseconds, rounded down."""


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Service time minus generator time."""

    offset_s: float
    margin_s: float
    """The offset is known to this."""


def clock_offset(observations: Iterable[tuple[float, float, float]]) -> ClockOffset:
    """Bound the offset by every job: it was submitted after it was sent and before the answer.

    An observation is the time at which a request was sent, that at which the service says that it
    was submitted, and that of the answer, in seconds. Each bounds the offset; together they bound
    it to a fraction of the shortest request. An offset that may be zero is zero.
    """
    low_s, high_s = float("-inf"), float("inf")
    for sent_s, submitted_s, answered_s in observations:
        low_s = max(low_s, submitted_s - answered_s)
        high_s = min(high_s, submitted_s + _RESOLUTION_S - sent_s)
    if low_s == float("-inf"):
        return ClockOffset(0.0, float("inf"))
    middle_s, margin_s = (low_s + high_s) / 2, abs(high_s - low_s) / 2
    if abs(middle_s) <= margin_s + _RESOLUTION_S:
        return ClockOffset(0.0, margin_s)
    return ClockOffset(middle_s, margin_s)
