"""The request: what a client asks for."""

import json
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from seewhy.schemas.base_models import StrictModel
from seewhy.schemas.geometry import Box
from seewhy.schemas.job import Priority
from seewhy.schemas.methods import METHOD_INFO, Normalization, ScoreKind
from seewhy.schemas.targets import RequestedTargets, has_comparison, has_contrast
from seewhy.schemas.webhook_url import validate_webhook_url

MAX_FALLBACKS = 3
MAX_LAYERS = 4
METADATA_LIMIT_BYTES = 4_096


class ExplanationRequest(StrictModel):
    """What a client asks for. Fields that are not named here are refused."""

    model: str | None = Field(None, description="A name from /v1/models; unset: the default.")
    method: str = Field("gradcam", description="How the map is made.")
    fallback: tuple[str, ...] = Field(
        (),
        max_length=MAX_FALLBACKS,
        description="Methods to try in turn while no map of the picture has the verdict `ok`.",
    )
    score: ScoreKind = Field(
        "logit", description="What is explained: the class's logit or its probability."
    )
    layer: str | tuple[str, ...] | None = Field(
        None,
        description="One of the model's layers, or up to four, whose maps are fused; unset: its "
        "target layer.",
    )
    targets: RequestedTargets = Field(
        "predicted",
        description="`predicted`, `top:N`, or one or a list of: a class name or index; "
        '`{"why": X, "not": [Y]}`, what speaks for X more than for Y; `{"against": X}`.',
    )
    preset: Literal["classic"] | None = Field(
        None,
        description="`classic`: the original recipe, which settles method, score and drawing.",
    )
    normalize: Normalization = Field(
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
    webhook: Annotated[str, AfterValidator(validate_webhook_url)] | None = Field(
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
        if has_comparison(self.targets):
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
    for name, facts in ((name, METHOD_INFO[name]) for name in methods if name in METHOD_INFO):
        if layers and not facts.uses_layer:
            raise ValueError(f"{name} explains the picture's pixels: it knows no layer")
        if len(layers) > 1 and not facts.fusable:
            raise ValueError(f"{name} explains one layer at a time")


def _check_targets(preset: str | None, methods: tuple[str, ...], targets: RequestedTargets) -> None:
    if preset:
        raise ValueError(f"preset {preset} explains plain classes alone")
    for name, facts in ((name, METHOD_INFO[name]) for name in methods if name in METHOD_INFO):
        if facts.chooses_rivals and has_contrast(targets):
            raise ValueError(f"{name} chooses what to compare with: name plain classes")
        if not facts.class_specific:
            raise ValueError(f"{name} is the same for every class: it shows no contrast")
