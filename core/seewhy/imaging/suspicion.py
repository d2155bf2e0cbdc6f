"""Measure the suspicion of an explanation, from the numbers that its result has."""

import math
from collections.abc import Iterator

from seewhy.imaging.concentration import border_area_share
from seewhy.schemas.agreement import Agreement
from seewhy.schemas.result import ExplanationResult, TargetResult, Verdict
from seewhy.schemas.suspicion import Suspicion, SuspicionPart, SuspicionReason
from seewhy.schemas.words import percent

CHANCE = 0.5
"""Only what is less plausible than chance is a reason."""
_SMALLEST_PLAUSIBILITY = 1e-4
"""Results have four decimals."""
_DECIMALS = 4
_VERDICTS = {
    Verdict.ALL_NEGATIVE: "All evidence is negative",
    Verdict.ZERO_GRADIENT: "The gradient is zero",
    Verdict.CONSTANT: "All cells of the map are equal",
    Verdict.NOT_FINITE: "The map has values that are not finite",
}


def suspicion(result: ExplanationResult, *, agreement: Agreement | None = None) -> Suspicion:
    """Return why a person should look at an explanation, judged by its first map.

    Each reason has a plausibility, a share that is small when something is wrong, and a score: its
    surprisal in bits (Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x). The surprisals of
    independent events add up. Results of versions that did not measure a number have no part of it.
    """
    parts = [
        SuspicionPart(
            reason=reason,
            score=round(-math.log2(max(plausibility, _SMALLEST_PLAUSIBILITY)), _DECIMALS),
            value=None if value is None else round(value, _DECIMALS),
            words=words,
        )
        for reason, plausibility, value, words in _parts(result, agreement)
        if plausibility < CHANCE
    ]
    parts.sort(key=lambda part: -part.score)
    return Suspicion(score=round(sum(part.score for part in parts), _DECIMALS), parts=tuple(parts))


_Part = tuple[SuspicionReason, float, float | None, str]


def _parts(result: ExplanationResult, agreement: Agreement | None) -> Iterator[_Part]:
    """Yield each reason with its plausibility, its value and its words."""
    target = result.targets[0]
    if target.verdict is not Verdict.OK:
        yield SuspicionReason.VERDICT, 0.0, None, _VERDICTS[target.verdict]
    if target.trust and (trust := target.trust.times_better_than_chance) is not None:
        insertion = trust**2 / (1 + trust**2)
        yield SuspicionReason.TRUST, insertion, trust, "Worse than a random map"
    if (border := target.border_share) is not None:
        area = border_area_share(result.map_height, result.map_width)
        words = f"{percent(border)} of the evidence is at the border"
        yield SuspicionReason.BORDER, _inside(1 - border, 1 - area), border, words
    if (structure := result.structure) is not None:
        words = f"{percent(structure)} of the image is structure, the rest noise or fine detail"
        if structure == 0:
            words = "The image has no structure"
        yield SuspicionReason.IMAGE, structure, structure, words
    yield from _classes(result, target)
    overlaps = [maps.targets[0].overlap for maps in result.other_maps]
    if known := [overlap for overlap in overlaps if overlap is not None]:
        least = min(known)
        words = f"Two maps share only {percent(least)} of the evidence"
        yield SuspicionReason.METHODS, least, least, words
    if agreement and (inside := agreement.energy_inside) is not None:
        words = f"Only {percent(inside)} of the evidence is inside the annotation"
        yield SuspicionReason.ANNOTATION, _inside(inside, agreement.coverage), inside, words


def _classes(result: ExplanationResult, target: TargetResult) -> Iterator[_Part]:
    """Yield how probable the most probable class is, and how much less the explained one."""
    if len(result.top) < 2 or not (best := result.top[0].probability):
        return
    words = f"The most probable class has only {percent(best)}"
    yield SuspicionReason.ANSWER, best, best, words
    explained = target.score.probability
    if explained is not None and not target.against and not target.rivals:
        words = f"The map is of {target.score.label}, which has {percent(explained)}"
        yield SuspicionReason.CLASS, explained / best, explained, words


def _inside(share: float, area: float) -> float:
    """Return the share of the evidence that the inside would have if it were half of the area."""
    if not 0 < area < 1:
        return 1.0
    inside, outside = share / area, (1 - share) / (1 - area)
    return inside / (inside + outside)
