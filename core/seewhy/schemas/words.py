"""Shares and verdicts in words, as pages, files and the API say them."""

from collections.abc import Mapping
from types import MappingProxyType

from seewhy.schemas.result import Verdict

VERDICTS: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.ALL_NEGATIVE: "No place speaks for this class: every value is negative.",
        Verdict.ZERO_GRADIENT: "The gradient of this class is zero at the layer, so the map says "
        "nothing.",
        Verdict.CONSTANT: "Every cell has the same value, so the map points to no place.",
        Verdict.NOT_FINITE: "Some values are not finite, so the map is unreliable.",
    }
)
"""What is wrong with a map that is not `ok`."""
WORSE_THAN_CHANCE = "A random map predicts the probability of this class better than this map."


def percent(share: float | None) -> str:
    """Write a share of 1 as a percentage, with a decimal below 10; None is a dash."""
    if share is None:
        return "\N{EN DASH}"
    value = 100 * share
    if 0 < value < 0.05:
        return "< 0.1 %"
    return f"{value:.1f} %" if 0 < value < 9.95 else f"{value:.0f} %"
