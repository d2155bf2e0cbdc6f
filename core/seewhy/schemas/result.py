"""The result of a succeeded explanation."""

import math
from collections.abc import Set
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from seewhy.schemas.base_models import StoredModel
from seewhy.schemas.channels import Channels
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.methods import ScoreKind
from seewhy.schemas.reference import RequestReference
from seewhy.schemas.regions import Region
from seewhy.schemas.trust_scores import TrustScores
from seewhy.schemas.within import Within


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


FiniteOrNone = Annotated[float | None, AfterValidator(_finite_or_none)]
"""JSON has no NaN: a number that is not finite becomes None, and the verdict gives the reason."""


StridePx = Annotated[
    int | None,
    Field(
        description="The distance of two cells in pixels of the network's input; null when it is "
        "not known, for fused layers and for maps of the pixels."
    ),
]
ReceptiveFieldPx = Annotated[
    int | None,
    Field(
        description="The side of the square of pixels of the network's input that a cell depends "
        "on; null like `stride_px`. It can exceed the input."
    ),
]

BodyKind = Literal["computed", "cached"]


class ClassScore(StoredModel):
    """The score of one class of one image, or the value of one output."""

    index: int
    label: str
    logit: FiniteOrNone = Field(
        description="The logit of the class; of a model of segments, the sum of its logits over "
        "the pixels that are predicted as the class, within the selection of the request."
    )
    probability: FiniteOrNone = Field(
        description="The probability of the class. Null for models of values and of segments."
    )
    value: FiniteOrNone = Field(
        None,
        description="The value of the output, if the model outputs values, or the similarity to "
        "the reference. Then `logit` and `probability` are null.",
    )


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
    border_share: float | None = Field(
        None,
        description="The share of the positive evidence in the border of the map: the outermost "
        "ring of cells, or a fourteenth of each side. Null without evidence.",
    )
    overlap: float | None = Field(
        None,
        description="The share of the positive evidence that lies in the same cells as that of "
        "the first map of the explanation. Null for the first map.",
    )


class OtherMaps(StoredModel):
    """The maps of one method at one layer, in an object of their own."""

    method: str
    layer: str
    linear: bool
    targets: tuple[TargetResult, ...]
    map_height: int
    map_width: int
    stride_px: StridePx = None
    receptive_field_px: ReceptiveFieldPx = None


class ExplanationResult(StoredModel):
    """The numbers of a succeeded explanation, as clients see them."""

    model_digest: str
    method: str = Field(description="The method of the maps: the requested one or a fallback.")
    tried: tuple[str, ...] = Field((), description="The methods that ran, in order.")
    score: ScoreKind = "logit"
    layer: str
    linear: bool
    inputs: dict[str, tuple[float, ...]] = Field(
        default_factory=dict,
        description="The values of the model's inputs beside the image, by name.",
    )
    within: Within | None = Field(
        None,
        description="The selection in which the pixels of a class count; null for the whole image.",
    )
    reference: RequestReference | None = Field(
        None,
        description="The image that the request compares with; null for those of the catalog.",
    )
    targets: tuple[TargetResult, ...]
    top: tuple[ClassScore, ...]
    map_height: int
    map_width: int
    stride_px: StridePx = None
    receptive_field_px: ReceptiveFieldPx = None
    covers: Rectangle
    channels: Channels = Field(
        "rgb",
        description="What the model saw of the colors: `rgb`, or one channel: `luma`, or a sum of "
        "red, green and blue with these weights.",
    )
    image_width_px: int
    image_height_px: int
    structure: float | None = Field(
        None,
        description="The share of the image's variance that is coarser than a sixteenth of its "
        "sides: 0 for a flat color, near 0 for noise, above a half for most photos.",
    )
    other_maps: tuple[OtherMaps, ...] = Field(
        (),
        description="The maps of the other requested methods and layers, in order: each method at "
        "each layer.",
    )
    body: BodyKind = Field(
        "computed",
        description="Whether the body of the network ran for this image, or its activation was "
        "kept from an earlier job.",
    )
    engine: str = Field(
        "",
        description="What computed the passes through the body of the network, with version and "
        "precision, such as `openvino 2026.4.1 bfloat16`; joined by ` and ` if methods or layers "
        "needed several; empty for results of earlier versions.",
    )
    timings_ms: dict[str, float] = Field(
        description="Milliseconds in the worker: `prepare` (fetch, decode, resize), `device_wait` "
        "(until the device is free), `explain` (the batch on the device), `render`, `store` "
        "(maps and overlay).",
    )
    versions: dict[str, str]


class Result(ExplanationResult):
    """The result of a succeeded explanation, as it is stored."""

    model: str
    objects: dict[str, str] = Field(description="Name → key in the object store.")
    digests: dict[str, str] = Field(description="Name → SHA-256 of the object.")

    @property
    def map_sets(self) -> tuple["Result | OtherMaps", ...]:
        """The maps of each method at each layer, the first ones in the result itself."""
        return self, *self.other_maps

    def maps_of(self, method: str | None, layer: str | None) -> "Result":
        """Return the result as if only this method at this layer had been requested.

        It has no overlay unless it is the first. None is the first method, or layer, that there
        is. A layer is named by its path or by an unambiguous end of it. Raises `KeyError` if there
        are no such maps.
        """
        layers = {maps.layer for maps in self.map_sets}
        chosen = None if layer is None else _find_layer(layer, layers)
        for position, maps in enumerate(self.map_sets):
            if method in {None, maps.method} and chosen in {None, maps.layer}:
                return self._alone(position, maps) if isinstance(maps, OtherMaps) else self
        raise KeyError(method)

    def _alone(self, position: int, maps: OtherMaps) -> "Result":
        name = map_object(position)
        fields = {field: getattr(maps, field) for field in OtherMaps.model_fields}
        digest = {"map": self.digests[name]} if name in self.digests else {}
        objects = {"map": self.objects[name]}
        return self.model_copy(
            update=fields | {"objects": objects, "digests": digest, "tried": (maps.method,)}
        )


def _find_layer(name: str, paths: Set[str]) -> str:
    """Return the path that is the name or ends with it. Raises `KeyError` unless there is one."""
    matches = {name} & paths or {path for path in paths if path.endswith(f"/{name}")}
    if len(matches) != 1:
        raise KeyError(name)
    return matches.pop()


def map_object(position: int) -> str:
    """Name the object with the maps at this position: 0 for the first method and layer."""
    return f"map-{position}" if position else "map"
