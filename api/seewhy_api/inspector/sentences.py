"""What the pages without scripts say: states, verdicts, numbers and errors, in words."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from seewhy.schemas.job import JobState
from seewhy.schemas.result import ExplanationResult, TargetResult, Verdict
from seewhy.schemas.words import VERDICTS, WORSE_THAN_CHANCE

HEADINGS: Mapping[JobState, str] = MappingProxyType(
    {
        JobState.QUEUED: "The photo waits for a worker",
        JobState.RUNNING: "The photo is being explained",
        JobState.FAILED: "The photo could not be explained",
        JobState.CANCELLED: "The explanation was cancelled",
        JobState.EXPIRED: "The explanation was not done in time",
    }
)
PROBLEMS: Mapping[HTTPStatus, str] = MappingProxyType(
    {
        HTTPStatus.UNAUTHORIZED: "The service asks for a key",
        HTTPStatus.FORBIDDEN: "The service does not allow this",
        HTTPStatus.NOT_FOUND: "There is no such explanation",
        HTTPStatus.GONE: "The explanation was deleted",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The photo is too large",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The file is no photo that can be explained",
        HTTPStatus.UNPROCESSABLE_ENTITY: "The photo cannot be explained",
        HTTPStatus.TOO_MANY_REQUESTS: "The service gets too many requests",
        HTTPStatus.SERVICE_UNAVAILABLE: "The service cannot do this now",
    }
)
ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "unauthenticated": "This page cannot send a key. Allow scripts for this site and type the "
        "key into the page, or use `seewhy explain PHOTO --key KEY`.",
        "explanation_gone": "Explain the photo again.",
        "unknown_explanation": "Check the address, or explain the photo again.",
    }
)
"""Code of a problem → what to do."""


def heading_of(state: JobState, result: ExplanationResult | None) -> str:
    """Say in a few words what came of a photo."""
    if result is None:
        return HEADINGS[state]
    first = result.targets[0]
    if first.verdict is Verdict.ALL_NEGATIVE:
        return f"The model sees no evidence for {name_of(first)}"
    if flag_of(first):
        return f"The map of {name_of(first)} is unreliable"
    direction = "against" if first.against else "for"
    return f"Where the model sees evidence {direction} {name_of(first)}"


def heading_of_problem(status: HTTPStatus) -> str:
    """Say in a few words what is wrong with a request."""
    return PROBLEMS.get(status, "This did not work")


def name_of(target: TargetResult) -> str:
    """Name what a map explains: its class, and the classes that it is compared with."""
    rivals = ", ".join(rival.label for rival in target.rivals)
    return f"{target.score.label} and not {rivals}" if rivals else target.score.label


def flag_of(target: TargetResult) -> str | None:
    """Say why a map is not to be trusted; None when nothing is known against it."""
    if target.verdict is not Verdict.OK:
        return VERDICTS[target.verdict]
    times = target.trust.times_better_than_chance if target.trust else None
    return WORSE_THAN_CHANCE if times is not None and times < 1 else None


def caption_of(result: ExplanationResult, *, model: str) -> str:
    """Say where the map comes from and how fine it is."""
    return (
        f"{result.map_height} \u00d7 {result.map_width} map by {result.method} at the layer "
        f"{result.layer} of {model}, drawn enlarged and smoothed. A map shows where the model has "
        "its evidence, not whether the model is right."
    )


def queue_sentence(position: int | None, eta_s: float | None) -> str | None:
    """Say how many jobs are before an open one and when it ends, as far as that is known."""
    parts = []
    if position is not None:
        parts.append("It is next" if position == 1 else f"It has position {position} in the queue")
    if eta_s is not None:
        parts.append(f"the result is expected in about {max(1, round(eta_s))} s")
    sentence = ", and ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else None


def number(value: float | None) -> str:
    """Write a number with three significant digits."""
    if value is None or not math.isfinite(value):
        return "\u2013"
    return f"{value:.3g}".replace("-", "\u2212")
