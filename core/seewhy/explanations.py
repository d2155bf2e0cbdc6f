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
    field_validator,
    model_validator,
)

from seewhy.methods import FACTS
from seewhy.targets import AnyTarget, Targets, compares, contrasts
from seewhy.trust import Trust
from seewhy.webhooks import checked_url

CLASSIC = "classic"
METHODS = tuple(name for name in FACTS if name != CLASSIC)
MAX_FALLBACKS = 3
MAX_LAYERS = 4
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


class _Stored(BaseModel):
    """Written by one version and read by another. What a later version adds is ignored."""

    model_config = ConfigDict(frozen=True)


Score = Literal["logit", "probability"]
Normalize = (
    Literal["image", "none"] | Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
)


class Rectangle(_Stored):
    """A part of the original picture, in pixels, origin top left."""

    x: float
    y: float
    width: float
    height: float


_Place = Annotated[float, Field(allow_inf_nan=False)]
_Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Box(Rectangle):
    """Where a person sees what the picture is to be explained for, in pixels, upright."""

    model_config = ConfigDict(extra="forbid")

    x: _Place
    y: _Place
    width: _Length
    height: _Length


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
    layer: str | tuple[str, ...] | None = Field(
        None,
        description="One of the model's layers, or up to four, whose maps are fused; unset: its "
        "target layer.",
    )
    targets: Targets = Field(
        "predicted",
        description="`predicted`, `top:N`, or one or a list of: a class name or index; "
        '`{"why": X, "not": [Y]}`, what speaks for X more than for Y; `{"against": X}`.',
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
    outputs: tuple[Literal["overlay", "trust"], ...] = Field(
        ("overlay",),
        max_length=2,
        description="What is made ahead of demand. An overlay can be drawn later, too; `trust`, "
        "which puts the maps to the test, cannot.",
    )
    box: Box | None = Field(
        None, description="With `trust` in outputs: what the maps ought to lie in."
    )
    cache: bool = Field(
        True, description="Whether the outcome may be that of another request that asked the same."
    )
    priority: Priority = Priority.INTERACTIVE
    deadline_s: float | None = Field(None, gt=0, le=86_400)
    webhook: Annotated[str, AfterValidator(checked_url)] | None = Field(
        None, description="A URL that is told of the outcome, signed: docs/webhooks.md."
    )
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
        if self.box and "trust" not in self.outputs:
            raise ValueError("box is for trust: name it in outputs")
        _check_layers(self.preset, methods, self.layers)
        if compares(self.targets):
            _check_targets(self.preset, methods, self.targets)
        return self

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers asked for; none for the model's own choice."""
        return (self.layer,) if isinstance(self.layer, str) else self.layer or ()


def _check_layers(preset: str | None, methods: tuple[str, ...], layers: tuple[str, ...]) -> None:
    if preset and layers:
        raise ValueError(f"preset {preset} leaves no choice of layer")
    if len(set(layers)) < len(layers) or len(layers) > MAX_LAYERS:
        raise ValueError(f"layer names up to {MAX_LAYERS} different layers")
    for name, facts in ((name, FACTS[name]) for name in methods if name in FACTS):
        if layers and not facts.has_layer:
            raise ValueError(f"{name} explains the picture's pixels: it knows no layer")
        if len(layers) > 1 and not facts.fuses:
            raise ValueError(f"{name} explains one layer at a time")


def _check_targets(preset: str | None, methods: tuple[str, ...], targets: Targets) -> None:
    if preset:
        raise ValueError(f"preset {preset} explains plain classes alone")
    for name, facts in ((name, FACTS[name]) for name in methods if name in FACTS):
        if facts.own_rivals and contrasts(targets):
            raise ValueError(f"{name} chooses what to compare with: name plain classes")
        if not facts.of_a_class:
            raise ValueError(f"{name} is the same for every class: it shows no contrast")


class Recipe(_Frozen):
    """How the maps of one picture are to be made; pictures of one recipe go together."""

    method: str = "gradcam"
    fallback: tuple[str, ...] = ()
    score: Score = "logit"
    layers: tuple[str, ...] = Field((), description="Several are fused; none: the target layer.")
    trust: bool = Field(False, description="Whether the maps are put to the test.")


class Job(_Stored):
    """What a worker needs to run an accepted request: names resolved, defaults filled in."""

    model: str
    method: str
    targets: tuple[AnyTarget, ...]
    layers: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    score: Score = "logit"
    preset: Literal["classic"] | None = None
    normalize: Normalize = "image"
    outputs: tuple[str, ...]
    box: Box | None = None
    image_key: str
    image_width_px: int
    image_height_px: int
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        """How its maps are to be made."""
        return Recipe(
            method=self.method,
            fallback=self.fallback,
            score=self.score,
            layers=self.layers,
            trust="trust" in self.outputs,
        )


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


Finite = Annotated[float | None, AfterValidator(_finite_or_none)]
"""JSON has no NaN: a number that is not finite is None, and the verdict says why."""


class ClassScore(_Stored):
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


class TargetResult(_Stored):
    """One explained class: its score and the state of its map (`map.npy`, same order)."""

    score: ClassScore
    verdict: Verdict
    minimum: Finite
    maximum: Finite
    rivals: tuple[ClassScore, ...] = Field((), description="What the class was compared with.")
    against: bool = Field(False, description="Whether the map shows what speaks against it.")
    trust: Trust | None = Field(None, description="What putting the map to the test has shown.")


class Result(_Stored):
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
