"""Measure the suspicion of an explanation, from the numbers that its result has."""

from collections.abc import Iterator

from seewhy.imaging.concentration import border_area_share
from seewhy.schemas.agreement import Agreement
from seewhy.schemas.result import ExplanationResult, TargetResult, Verdict
from seewhy.schemas.suspicion import Suspicion, SuspicionPart, SuspicionReason

EVEN_SPREAD = 0.98
"""Evidence that is spread more evenly than this is suspicious."""
SMALL_MARGIN = 0.2
"""A smaller difference of the two highest probabilities is suspicious."""
SMALL_OVERLAP = 0.5
"""Two maps whose evidence overlaps less disagree."""
GOOD_TRUST = 1.5
"""A map that is this many times better than a random one is not suspicious."""
OTHER_CLASS = 0.5
"""The score of an explained class that is hardly less probable than the answer."""
MARGIN_WEIGHT = 0.3
"""A small margin is often harmless: the two classes may be much alike."""
_SMALLEST_SCORE = 0.005
_DECIMALS = 4
_VERDICTS = {
    Verdict.ALL_NEGATIVE: "All evidence is negative",
    Verdict.ZERO_GRADIENT: "The gradient is zero",
    Verdict.CONSTANT: "All cells of the map are equal",
    Verdict.NOT_FINITE: "The map has values that are not finite",
}


def suspicion(result: ExplanationResult, *, agreement: Agreement | None = None) -> Suspicion:
    """Return why a person should look at an explanation, judged by its first map.

    Results of versions that did not measure a number have no part of it.
    """
    parts = [
        SuspicionPart(
            reason=reason,
            score=round(min(score, 1.0), _DECIMALS),
            value=None if value is None else round(value, _DECIMALS),
            words=words,
        )
        for reason, score, value, words in _parts(result, agreement)
        if score >= _SMALLEST_SCORE
    ]
    parts.sort(key=lambda part: -part.score)
    return Suspicion(score=round(sum(part.score for part in parts), _DECIMALS), parts=tuple(parts))


_Part = tuple[SuspicionReason, float, float | None, str]


def _parts(result: ExplanationResult, agreement: Agreement | None) -> Iterator[_Part]:
    """Yield each reason with its score, which may be below 0, its value and its words."""
    target = result.targets[0]
    if target.verdict is not Verdict.OK:
        yield SuspicionReason.VERDICT, 1.0, None, _VERDICTS[target.verdict]
    if target.trust and (trust := target.trust.times_better_than_chance) is not None:
        score = (GOOD_TRUST - trust) / (GOOD_TRUST - 1)
        words = "No better" if trust <= 1 else "Hardly better"
        yield SuspicionReason.TRUST, score, trust, f"{words} than a random map"
    if (border := target.border_share) is not None:
        even = border_area_share(result.map_height, result.map_width)
        words = f"{_percent(border)} of the evidence is at the border"
        yield SuspicionReason.BORDER, (border - even) / (1 - even), border, words
    if (spread := target.spread) is not None:
        score = (spread - EVEN_SPREAD) / (1 - EVEN_SPREAD)
        yield SuspicionReason.SPREAD, score, spread, "The evidence is spread evenly"
    yield from _classes(result, target)
    overlaps = [maps.targets[0].overlap for maps in result.other_maps]
    if known := [overlap for overlap in overlaps if overlap is not None]:
        least = min(known)
        words = f"Two maps share only {_percent(least)} of the evidence"
        yield SuspicionReason.METHODS, (SMALL_OVERLAP - least) / SMALL_OVERLAP, least, words
    if agreement and (inside := agreement.energy_inside) is not None:
        words = f"Only {_percent(inside)} of the evidence is inside the annotation"
        yield SuspicionReason.ANNOTATION, 1 - inside, inside, words


def _classes(result: ExplanationResult, target: TargetResult) -> Iterator[_Part]:
    """Yield what the probabilities say of the explained class and of its rival."""
    if not result.top or (best := result.top[0].probability) is None:
        return
    explained = target.score.probability
    is_answer = target.score.index == result.top[0].index
    if not is_answer and not target.against and not target.rivals and explained is not None:
        words = f"The map is of {target.score.label}, which has {_percent(explained)}"
        score = OTHER_CLASS + (1 - OTHER_CLASS) * (best - explained)
        yield SuspicionReason.CLASS, score, best - explained, words
    if len(result.top) > 1 and (second := result.top[1].probability) is not None:
        rival = result.top[1].index
        shared = [t.overlap for t in result.targets[1:] if t.score.index == rival]
        alike = shared[0] if is_answer and shared and shared[0] is not None else 1.0
        margin = best - second
        words = f"{result.top[1].label} is only {_percent(margin)} less probable"
        if margin < 0.0005:
            words = "Two classes are equally probable"
        score = MARGIN_WEIGHT * alike * (1 - margin / SMALL_MARGIN)
        yield SuspicionReason.MARGIN, score, margin, words


def _percent(share: float) -> str:
    percent = 100 * share
    if 0 < percent < 0.05:
        return "less than 0.1 %"
    return f"{percent:.1f} %" if 0.05 <= percent < 9.95 else f"{percent:.0f} %"
