"""Quantities as people write them: rates such as `1e9/day`, durations such as `20ms`."""

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PERIODS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86_400.0, "d": 86_400.0}
_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6}
_NUMBER = r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"


def parse_rate(text: str) -> float:
    """Return a rate per second. Raises `ValueError` when the text is none."""
    match = re.fullmatch(rf"{_NUMBER}([kM]?)/(s|min|h|d|day)", text.strip())
    if match is None or not _is_positive(float(match[1])):
        raise ValueError(
            f"{text[:40]!r} is no rate: give a number greater than 0 and a period, such as 500/s, "
            "20k/min, 3e5/h or 30M/day"
        )
    return float(match[1]) * _FACTORS[match[2]] / _PERIODS[match[3]]


def parse_duration_s(text: str) -> float:
    """Return a duration in seconds. Raises `ValueError` when the text is none."""
    match = re.fullmatch(rf"{_NUMBER}(ms|s|min|m|h|d)", text.strip())
    if match is None or not math.isfinite(float(match[1])):
        raise ValueError(
            f"{text[:40]!r} is no duration: give a number and a unit, such as 250ms, 2s, 5min, 1h "
            "or 7d"
        )
    return float(match[1]) * _SECONDS[match[2]]


def _is_positive(number: float) -> bool:
    return math.isfinite(number) and number > 0
