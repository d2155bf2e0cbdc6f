"""The body of a request for an explanation."""

import json
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from seewhy.schemas.base_models import StrictModel
from seewhy.schemas.geometry import Box
from seewhy.schemas.http_url import validate_http_url
from seewhy.schemas.inputs import MAX_INPUTS, InputValues
from seewhy.schemas.installed_methods import known_methods, method_names
from seewhy.schemas.job import Priority
from seewhy.schemas.methods import MethodInfo, Normalization, RequestedScore
from seewhy.schemas.reference import RequestReference
from seewhy.schemas.regions import DEFAULT_THRESHOLD, Threshold
from seewhy.schemas.targets import RequestedTargets, has_comparison, has_contrast
from seewhy.schemas.within import Within

MAX_FALLBACKS = 3
MAX_LAYERS = 4
MAX_METHODS = 8
MAX_MAP_SETS = 8
"""The pairs of a method and a layer: the result of each is a part of the job's record in Redis."""
METADATA_LIMIT_BYTES = 4_096


def _list_methods(schema: dict[str, JsonValue]) -> None:
    schema["enum"] = list(method_names())


MethodName = Annotated[str, Field(json_schema_extra=_list_methods)]
"""Looked up in the model's catalog entry, which may offer fewer, with an error code of its own."""


class ExplanationRequest(StrictModel):
    """A request for an explanation. Unknown fields are refused."""

    model: str | None = Field(
        None, description="A model name from /v1/models. Default: the server's default model."
    )
    method: MethodName = Field("gradcam", description="The explanation method.")
    methods: tuple[MethodName, ...] = Field(
        (),
        max_length=MAX_METHODS,
        description="Several methods, instead of `method`. They share the pass through the body of "
        "the network, and each has a map of each target. The first one is drawn by default.",
    )
    fallback: tuple[MethodName, ...] = Field(
        (),
        max_length=MAX_FALLBACKS,
        description="Methods to try in this order until a map of the image has the verdict `ok`.",
    )
    score: RequestedScore = Field(
        "logit",
        description="The explained score of a class: its logit or its probability. A model of "
        "values explains the value of an output instead.",
    )
    layer: str | tuple[str, ...] | None = Field(
        None,
        description="A layer of the model, or up to four layers, whose maps are fused. Default: "
        "the model's target layer.",
    )
    layers: tuple[str, ...] = Field(
        (),
        max_length=MAX_LAYERS,
        description="Several layers, instead of `layer`, each with maps of its own; nothing is "
        "fused. They share the pass through the network's body. With `methods`, each method has "
        "maps at each layer, at most eight pairs. The first one is drawn by default.",
    )
    targets: RequestedTargets = Field(
        "predicted",
        description="The classes to explain: `predicted`, `top:N`, a target, or a list of targets. "
        "A target is a class name or index; "
        '`{"why": X, "not": [Y]}`, the evidence for X beyond that for Y; or `{"against": X}`, '
        "the evidence against X. A target of a model of values is one of its outputs, "
        '`{"output": X}`.',
    )
    within: Within | None = Field(
        None,
        description="Of a model of segments: the box or the mask in which the pixels of a class "
        "count. Default: the whole image.",
        examples=[
            {"box": {"x": 120, "y": 60, "width": 200, "height": 180}},
            {"mask": {"size": [2, 3], "counts": [1, 4, 1]}},
        ],
    )
    reference: RequestReference | None = Field(
        None,
        description="Of a model of embeddings: the image to compare with, instead of the "
        "references of the catalog.",
    )
    inputs: dict[str, InputValues] = Field(
        default_factory=dict,
        max_length=MAX_INPUTS,
        description="Values of the model's inputs beside the image, by name: a number, or a list "
        "of numbers. Default: those of the catalog (`inputs` in /v1/models).",
    )
    preset: Literal["classic"] | None = Field(
        None,
        description="`classic`: the original Grad-CAM recipe. It fixes method, score and drawing.",
    )
    normalize: Normalization = Field(
        "image",
        description="The evidence drawn with the strongest color: the maximum of the `image`, 1 "
        "for `none`, or a number, which makes images comparable. The stored map does not change.",
    )
    threshold: Threshold = Field(
        DEFAULT_THRESHOLD,
        description="The smallest evidence of a region: a fraction of the maximum, `otsu`, or a "
        "percentile of the map's cells such as `p90`.",
    )
    outputs: tuple[Literal["overlay", "trust", "regions"], ...] = Field(
        ("overlay",),
        max_length=3,
        description="The outputs to compute with the explanation. An overlay can also be rendered "
        "later, and `regions` can be found later; the trust scores (`trust`) cannot.",
    )
    box: Box | None = Field(
        None, description="The box that the evidence should lie in. Requires `trust` in outputs."
    )
    cache: bool = Field(
        True,
        strict=True,
        description="Whether the outcome of an identical request may be reused.",
    )
    priority: Priority = Field(
        Priority.INTERACTIVE, description="Interactive jobs run before batch jobs."
    )
    deadline_s: float | None = Field(
        None, strict=True, gt=0, le=86_400, description="Seconds until an unfinished job expires."
    )
    webhook: (
        Annotated[
            str,
            AfterValidator(validate_http_url),
            Field(json_schema_extra={"format": "uri", "pattern": "^https?://"}),
        ]
        | None
    ) = Field(None, description="A URL that receives the outcome as a signed POST request.")
    metadata: dict[str, JsonValue] = Field(
        default_factory=dict, description="Returned unchanged. At most 4,096 bytes of JSON."
    )

    @field_validator("metadata")
    @classmethod
    def _check_size(cls, metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if len(json.dumps(metadata)) > METADATA_LIMIT_BYTES:
            raise ValueError(f"has more than {METADATA_LIMIT_BYTES} bytes of JSON")
        return metadata

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.methods and {"method", "fallback"} & self.model_fields_set:
            raise ValueError("methods replaces method and fallback; remove these fields")
        methods = (*self.chosen_methods, *self.fallback)
        if len(set(methods)) < len(methods):
            field = "methods" if self.methods else "fallback"
            raise ValueError(f"{field} repeats a method; name each method once")
        fixed = {"method", "methods", "fallback", "score", "normalize"} & self.model_fields_set
        if self.preset and fixed:
            raise ValueError(
                f"preset {self.preset} fixes {', '.join(sorted(fixed))}; remove these fields"
            )
        if self.box and "trust" not in self.outputs:
            raise ValueError("box requires trust; add `trust` to outputs")
        if self.layers and {"layer", "fallback"} & self.model_fields_set:
            raise ValueError("layers replaces layer and fallback; remove these fields")
        pairs = len(self.chosen_methods) * len(self.chosen_layers)
        if pairs > MAX_MAP_SETS:
            raise ValueError(
                f"methods and layers make {pairs} pairs, and at most {MAX_MAP_SETS} are allowed; "
                "name fewer"
            )
        for layers in self.chosen_layers:
            _check_layers(self.preset, methods, layers)
        if len(set(self.layers)) < len(self.layers):
            raise ValueError("layers repeats a layer; name each layer once")
        if has_comparison(self.targets):
            _check_targets(self.preset, methods, self.targets)
        return self

    @property
    def chosen_methods(self) -> tuple[str, ...]:
        """The requested methods, without fallbacks."""
        return self.methods or (self.method,)

    @property
    def chosen_layers(self) -> tuple[tuple[str, ...], ...]:
        """The layers to fuse, for each layer with maps. Empty: the model's target layer."""
        if self.layers:
            return tuple((layer,) for layer in self.layers)
        return ((self.layer,) if isinstance(self.layer, str) else self.layer or (),)


def _check_layers(preset: str | None, methods: tuple[str, ...], layers: tuple[str, ...]) -> None:
    if preset and layers:
        raise ValueError(f"preset {preset} fixes the layer; remove layer")
    if len(set(layers)) < len(layers) or len(layers) > MAX_LAYERS:
        raise ValueError(f"layer takes at most {MAX_LAYERS} layers, each once")
    for name, info in _known(methods):
        if layers and not info.uses_layer:
            raise ValueError(f"{name} explains pixels, not a layer; remove layer")
        if len(layers) > 1 and not info.fusable:
            raise ValueError(f"{name} cannot fuse layers; name one layer")


def _check_targets(preset: str | None, methods: tuple[str, ...], targets: RequestedTargets) -> None:
    if preset:
        raise ValueError(f"preset {preset} cannot explain contrasts; name plain classes")
    for name, info in _known(methods):
        if info.chooses_rivals and has_contrast(targets):
            raise ValueError(f"{name} chooses the rivals itself; name plain classes")
        if not info.class_specific:
            raise ValueError(
                f"{name} is not class-specific and cannot show a contrast; choose another method"
            )


def _known(methods: tuple[str, ...]) -> list[tuple[str, MethodInfo]]:
    known = known_methods()
    return [(name, known[name]) for name in methods if name in known]
