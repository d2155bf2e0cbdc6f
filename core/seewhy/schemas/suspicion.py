"""Suspicion: how much an explanation deserves a look, as a sum of named reasons."""

from enum import StrEnum

from pydantic import Field

from seewhy.schemas.base_models import StoredModel


class SuspicionReason(StrEnum):
    """Why a person should look at an explanation. `docs/metrics.md` has the formulas."""

    VERDICT = "verdict"
    """The map is not healthy; `value` is None."""
    TRUST = "trust"
    """`value`: how many times better than a random map it is."""
    BORDER = "border"
    """`value`: the share of the evidence in the border of the map."""
    SPREAD = "spread"
    """`value`: how evenly the evidence is spread."""
    CLASS = "class"
    """The explained class is not the answer; `value`: how much more probable the answer is."""
    MARGIN = "margin"
    """`value`: by how much the answer is more probable than the next class."""
    METHODS = "methods"
    """`value`: the smallest overlap of the evidence of two methods."""
    ANNOTATION = "annotation"
    """`value`: the share of the evidence that lies inside the annotation."""


class SuspicionPart(StoredModel):
    """One reason, what it adds to the suspicion, and the measured value behind it."""

    reason: SuspicionReason
    score: float = Field(description="What it adds, above 0 and at most 1.")
    value: float | None = Field(description="What was measured; its meaning depends on the reason.")
    words: str = Field(description="The reason with its value, for people.")


class Suspicion(StoredModel):
    """The sum of its parts; 0 when nothing is suspicious."""

    score: float
    parts: tuple[SuspicionPart, ...] = Field(description="The strongest first.")
