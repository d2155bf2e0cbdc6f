"""The result of a succeeded explanation."""

import math
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.methods import ScoreKind
from seewhy.schemas.regions import Region
from seewhy.schemas.trust_scores import TrustScores


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


FiniteOrNone = Annotated[float | None, AfterValidator(_finite_or_none)]
"""JSON has no NaN: a number that is not finite becomes None, and the verdict gives the reason."""


BodyKind = Literal["computed", "cached"]


class ClassScore(StoredModel):
    """The score of one class of one image."""

    index: int
    label: str
    logit: FiniteOrNone
    probability: FiniteOrNone


class Verdict(StrEnum):
    """The health of a map."""

    OK = "ok"
    ALL_NEGATIVE = "all_negative"
    ZERO_GRADIENT = "zero_gradient"
    CONSTANT = "constant"
    NOT_FINITE = "not_finite"


class TargetResult(StoredModel):
    """One explained target: its score and the health of its map, in the order of `map.npy`."""

    score: ClassScore
    verdict: Verdict
    minimum: FiniteOrNone
    maximum: FiniteOrNone
    rivals: tuple[ClassScore, ...] = Field(
        (), description="The classes that this one is compared with."
    )
    against: bool = Field(
        False, description="Whether the map shows the evidence against the class."
    )
    trust: TrustScores | None = Field(
        None, description="The trust scores of the map, if requested."
    )
    regions: tuple[Region, ...] | None = Field(
        None, description="The largest region of the map, if requested; empty without evidence."
    )


class MethodResult(StoredModel):
    """The maps of one method, in an object of their own."""

    method: str
    layer: str
    linear: bool
    targets: tuple[TargetResult, ...]
    map_height: int
    map_width: int


class ExplanationResult(StoredModel):
    """The numbers of a succeeded explanation, as clients see them."""

    model_digest: str
    method: str = Field(description="The method of the maps: the requested one or a fallback.")
    tried: tuple[str, ...] = Field((), description="The methods that ran, in order.")
    score: ScoreKind = "logit"
    layer: str
    linear: bool
    targets: tuple[TargetResult, ...]
    top: tuple[ClassScore, ...]
    map_height: int
    map_width: int
    covers: Rectangle
    image_width_px: int
    image_height_px: int
    other_methods: tuple[MethodResult, ...] = Field(
        (), description="The maps of the other requested methods, in order."
    )
    body: BodyKind = Field(
        "computed",
        description="Whether the body of the network ran for this image, or its activation was "
        "kept from an earlier job.",
    )
    timings_ms: dict[str, float]
    versions: dict[str, str]


class Result(ExplanationResult):
    """The result of a succeeded explanation, as it is stored."""

    model: str
    objects: dict[str, str] = Field(description="Name → key in the object store.")
    digests: dict[str, str] = Field(description="Name → SHA-256 of the object.")

    def of_method(self, method: str) -> "Result":
        """Return the result as if only this method had been requested, without its overlay.

        Raises `KeyError` for a method that did not run.
        """
        if method == self.method:
            return self
        for position, other in enumerate(self.other_methods, start=1):
            if other.method == method:
                name = map_object(position)
                fields = {field: getattr(other, field) for field in MethodResult.model_fields}
                digest = {"map": self.digests[name]} if name in self.digests else {}
                objects = {"map": self.objects[name]}
                return self.model_copy(
                    update=fields | {"objects": objects, "digests": digest, "tried": (method,)}
                )
        raise KeyError(method)


def map_object(position: int) -> str:
    """Name the object with the maps of the method at this position of a request."""
    return f"map-{position}" if position else "map"
