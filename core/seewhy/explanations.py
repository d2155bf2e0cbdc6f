"""The words of the contract: what a client asks for, and what becomes of it."""

import json
import math
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictInt,
    StrictStr,
    field_validator,
)

METHODS = ("gradcam",)
MAX_TARGETS = 20
METADATA_LIMIT_BYTES = 4_096


class State(StrEnum):
    """Where a job stands. Terminal states never change."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """Whether the job has its outcome."""
        return self not in {State.QUEUED, State.RUNNING}


class Priority(StrEnum):
    """Interactive jobs go before batch jobs of the same model."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Targets = (
    Literal["predicted"]
    | Annotated[str, Field(pattern=r"^top:([1-9]|1[0-9]|20)$")]
    | Annotated[list[StrictInt | StrictStr], Field(min_length=1, max_length=MAX_TARGETS)]
)


class ExplanationRequest(_Frozen):
    """What a client asks for. Fields that are not named here are refused."""

    model: str | None = Field(None, description="A name from /v1/models; unset: the default.")
    method: str = Field("gradcam", description="How the map is made.")
    targets: Targets = Field(
        "predicted",
        description="`predicted`, `top:N`, or a list of class names and indices to explain.",
    )
    outputs: tuple[Literal["overlay"], ...] = Field(
        ("overlay",),
        max_length=1,
        description="What is rendered ahead of demand; everything else is made when asked for.",
    )
    priority: Priority = Priority.INTERACTIVE
    deadline_s: float | None = Field(None, gt=0, le=86_400)
    metadata: dict[str, JsonValue] = Field(
        default_factory=dict, description="Returned as it came; 4,096 bytes of JSON at most."
    )

    @field_validator("metadata")
    @classmethod
    def _small(cls, metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if len(json.dumps(metadata)) > METADATA_LIMIT_BYTES:
            raise ValueError(f"has more than {METADATA_LIMIT_BYTES} bytes of JSON")
        return metadata


class Job(_Frozen):
    """What a worker needs to run an accepted request: names resolved, defaults filled in."""

    model: str
    method: str
    targets: tuple[int, ...] = Field(
        description="Class indices; a negative one, -r, asks for the r-th most probable class."
    )
    outputs: tuple[str, ...]
    image_key: str
    image_width_px: int
    image_height_px: int
    metadata: dict[str, Any] = Field(default_factory=dict)


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


Finite = Annotated[float | None, AfterValidator(_finite_or_none)]
"""JSON has no NaN: a number that is not finite is None, and the verdict says why."""


class ClassScore(_Frozen):
    """One class of one picture."""

    index: int
    label: str
    logit: Finite
    probability: Finite


class Verdict(StrEnum):
    """What can be said of a map's health."""

    OK = "ok"
    ALL_NEGATIVE = "all_negative"
    ZERO_GRADIENT = "zero_gradient"
    CONSTANT = "constant"
    NOT_FINITE = "not_finite"


class Rectangle(_Frozen):
    """A part of the original picture, in pixels, origin top left."""

    x: float
    y: float
    width: float
    height: float


class TargetResult(_Frozen):
    """One explained class: its score and the state of its map (`map.npy`, same order)."""

    score: ClassScore
    verdict: Verdict
    minimum: Finite
    maximum: Finite


class Result(_Frozen):
    """The numbers of a succeeded explanation."""

    model: str
    model_digest: str
    method: str
    layer: str
    linear: bool
    targets: tuple[TargetResult, ...]
    top: tuple[ClassScore, ...]
    map_height: int
    map_width: int
    covers: Rectangle
    image_width_px: int
    image_height_px: int
    objects: dict[str, str] = Field(description="Name → key in the object store.")
    digests: dict[str, str] = Field(description="Name → SHA-256 of the object.")
    timings_ms: dict[str, float]
    versions: dict[str, str]
