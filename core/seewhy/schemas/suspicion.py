"""Suspicion: how much an explanation deserves a look, as a sum of named reasons in bits."""

from enum import StrEnum

from pydantic import Field

from seewhy.schemas.base_models import StoredModel


class SuspicionReason(StrEnum):
    """Why a person should look at an explanation. `docs/metrics.md` has the formulas."""

    VERDICT = "verdict"
    """The map is not healthy; `value` is None."""
    TRUST = "trust"
    """The map is worse than a random one; `value`: how many times better it is."""
    BORDER = "border"
    """`value`: the share of the evidence in the border of the map."""
    IMAGE = "image"
    """The image is flat, noise or fine texture; `value`: the share of it that is structure."""
    ANSWER = "answer"
    """The answer is more probably wrong than right; `value`: its probability."""
    CLASS = "class"
    """The explained class is far less probable than the answer; `value`: its probability."""
    METHODS = "methods"
    """`value`: the smallest overlap of the evidence of two methods."""
    ANNOTATION = "annotation"
    """`value`: the share of the evidence that lies inside the annotation."""


class SuspicionPart(StoredModel):
    """One reason, what it adds to the suspicion, and the measured value behind it."""

    reason: SuspicionReason
    score: float = Field(description="What it adds, in bits: above 1, at most 13.3.")
    value: float | None = Field(description="What was measured; its meaning depends on the reason.")
    words: str = Field(description="The reason with its value, for people.")


class Suspicion(StoredModel):
    """The sum of its parts; 0 when nothing is suspicious."""

    score: float
    parts: tuple[SuspicionPart, ...] = Field(description="The strongest first.")
