"""The words of the contract: what a client asks for, and what becomes of it."""

import json
import math
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from seewhy.methods import FACTS

CLASSIC = "classic"
METHODS = tuple(name for name in FACTS if name != CLASSIC)
MAX_TARGETS = 20
MAX_RIVALS = 5
MAX_FALLBACKS = 3
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


Score = Literal["logit", "probability"]
Normalize = (
    Literal["image", "none"] | Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
)


class Contrast(_Frozen):
    """Why this class and not those: what speaks for it more than for the mean of its rivals."""

    model_config = ConfigDict(serialize_by_alias=True)

    why: StrictInt | StrictStr = Field(description="A class name or index, or `predicted`.")
    rivals: tuple[StrictInt | StrictStr, ...] = Field(
        alias="not", min_length=1, max_length=MAX_RIVALS, description="Likewise, one to five."
    )


Targets = (
    Literal["predicted"]
    | Annotated[str, Field(pattern=r"^top:([1-9]|1[0-9]|20)$")]
    | Annotated[list[StrictInt | StrictStr], Field(min_length=1, max_length=MAX_TARGETS)]
    | Contrast
)


class ExplanationRequest(_Frozen):
    """What a client asks for. Fields that are not named here are refused."""

    model: str | None = Field(None, description="A name from /v1/models; unset: the default.")
    method: str = Field("gradcam", description="How the map is made.")
    fallback: tuple[str, ...] = Field(
        (),
        max_length=MAX_FALLBACKS,
        description="Methods to try in turn while no map of the picture has the verdict `ok`.",
    )
    score: Score = Field(
        "logit", description="What is explained: the class's logit or its probability."
    )
    targets: Targets = Field(
        "predicted",
        description="`predicted`, `top:N`, a list of class names and indices to explain, or "
        '`{"why": X, "not": [Y]}`: what speaks for X more than for Y.',
    )
    preset: Literal["classic"] | None = Field(
        None,
        description="`classic`: the original recipe, which settles method, score and drawing.",
    )
    normalize: Normalize = Field(
        "image",
        description="What is drawn as full heat: the strongest evidence of the `image`, 1 for "
        "`none`, or a number, so that pictures can be compared. The numbers stay as they are.",
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

    @model_validator(mode="after")
    def _of_one_mind(self) -> Self:
        methods = (self.method, *self.fallback)
        if len(set(methods)) < len(methods):
            raise ValueError("fallback names a method that is tried before")
        settled = {"method", "fallback", "score", "normalize"} & self.model_fields_set
        if self.preset and settled:
            raise ValueError(
                f"preset {self.preset} leaves no choice of {', '.join(sorted(settled))}"
            )
        if isinstance(self.targets, Contrast):
            _check_contrast(self.preset, methods)
        return self


def _check_contrast(preset: str | None, methods: tuple[str, ...]) -> None:
    if preset:
        raise ValueError(f"preset {preset} explains classes, and no contrast of them")
    for name, facts in ((name, FACTS[name]) for name in methods if name in FACTS):
        if facts.own_rivals:
            raise ValueError(f"{name} chooses what to compare with: name plain classes")
        if not facts.of_a_class:
            raise ValueError(f"{name} is the same for every class: it shows no contrast")


class Recipe(_Frozen):
    """How the maps of one picture are to be made; pictures of one recipe go together."""

    method: str = "gradcam"
    fallback: tuple[str, ...] = ()
    score: Score = "logit"
    rivals: tuple[int, ...] = Field(
        (), description="As the targets of a job: their mean is taken off each target's score."
    )


class Job(_Frozen):
    """What a worker needs to run an accepted request: names resolved, defaults filled in."""

    model: str
    method: str
    targets: tuple[int, ...] = Field(
        description="Class indices; a negative one, -r, asks for the r-th most probable class."
    )
    rivals: tuple[int, ...] = Field((), description="Of the target, in the same form.")
    fallback: tuple[str, ...] = ()
    score: Score = "logit"
    preset: Literal["classic"] | None = None
    normalize: Normalize = "image"
    outputs: tuple[str, ...]
    image_key: str
    image_width_px: int
    image_height_px: int
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        """How its maps are to be made."""
        return Recipe(
            method=self.method, fallback=self.fallback, score=self.score, rivals=self.rivals
        )


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
    rivals: tuple[ClassScore, ...] = Field((), description="What the class was compared with.")


class Result(_Frozen):
    """The numbers of a succeeded explanation."""

    model: str
    model_digest: str
    method: str = Field(description="The one that made the maps: a fallback, if one was needed.")
    tried: tuple[str, ...] = Field((), description="The methods run, in order.")
    score: Score = "logit"
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
