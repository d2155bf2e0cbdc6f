"""Measure the suspicion of an explanation, from the numbers that its result has."""

from collections.abc import Iterator

from seewhy.imaging.concentration import border_area_share
from seewhy.schemas.agreement import Agreement
from seewhy.schemas.result import ExplanationResult, TargetResult, Verdict
from seewhy.schemas.suspicion import Suspicion, SuspicionPart, SuspicionReason

EVEN_SPREAD = 0.95
"""Evidence that is spread more evenly than this is suspicious."""
SMALL_MARGIN = 0.2
"""A smaller difference of the two highest probabilities is suspicious."""
SMALL_OVERLAP = 0.5
"""Two methods whose evidence overlaps less disagree."""
GOOD_TRUST = 1.5
"""A map that is this many times better than a random one is not suspicious."""
WEAK = 0.5
"""The weight of what is often harmless."""
_SMALLEST_SCORE = 0.005
_DECIMALS = 4


def suspicion(result: ExplanationResult, *, agreement: Agreement | None = None) -> Suspicion:
    """Return why a person should look at an explanation, judged by its first map.

    Results of versions that did not measure a number have no part of it.
    """
    parts = [
        SuspicionPart(
            reason=reason,
            score=round(min(score, 1.0), _DECIMALS),
            value=None if value is None else round(value, _DECIMALS),
        )
        for reason, score, value in _parts(result, agreement)
        if score >= _SMALLEST_SCORE
    ]
    parts.sort(key=lambda part: -part.score)
    return Suspicion(score=round(sum(part.score for part in parts), _DECIMALS), parts=tuple(parts))


_Part = tuple[SuspicionReason, float, float | None]


def _parts(result: ExplanationResult, agreement: Agreement | None) -> Iterator[_Part]:
    """Yield each reason with its score, which may be below 0, and its value."""
    target = result.targets[0]
    if target.verdict is not Verdict.OK:
        yield SuspicionReason.VERDICT, 1.0, None
    if target.trust and (trust := target.trust.times_better_than_chance) is not None:
        yield SuspicionReason.TRUST, (GOOD_TRUST - trust) / (GOOD_TRUST - 1), trust
    if (border := target.border_share) is not None:
        even = border_area_share(result.map_height, result.map_width)
        yield SuspicionReason.BORDER, (border - even) / (1 - even), border
    if (spread := target.spread) is not None:
        yield SuspicionReason.SPREAD, WEAK * (spread - EVEN_SPREAD) / (1 - EVEN_SPREAD), spread
    yield from _classes(result, target)
    overlaps = [maps.targets[0].overlap for maps in result.other_maps]
    if known := [overlap for overlap in overlaps if overlap is not None]:
        least = min(known)
        yield SuspicionReason.METHODS, (SMALL_OVERLAP - least) / SMALL_OVERLAP, least
    if agreement and (inside := agreement.energy_inside) is not None:
        yield SuspicionReason.ANNOTATION, 1 - inside, inside


def _classes(result: ExplanationResult, target: TargetResult) -> Iterator[_Part]:
    """Yield what the probabilities say of the explained class and of its rival."""
    if not result.top or (best := result.top[0].probability) is None:
        return
    explained = target.score.probability
    is_answer = target.score.index == result.top[0].index
    if not is_answer and not target.against and not target.rivals and explained is not None:
        yield SuspicionReason.CLASS, WEAK + WEAK * (best - explained), best - explained
    if len(result.top) > 1 and (second := result.top[1].probability) is not None:
        rival = result.top[1].index
        shared = [t.overlap for t in result.targets[1:] if t.score.index == rival]
        alike = shared[0] if is_answer and shared and shared[0] is not None else 1.0
        margin = best - second
        yield SuspicionReason.MARGIN, WEAK * alike * (1 - margin / SMALL_MARGIN), margin
