"""Responses of the service. Fields that a newer service adds are ignored."""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from seewhy.schemas.job import JobState
from seewhy.schemas.regions import Region
from seewhy.schemas.result import Verdict
from seewhy.schemas.suspicion import Suspicion


def _nan_for_none(value: Any) -> Any:
    return math.nan if value is None else value


Number = Annotated[float, BeforeValidator(_nan_for_none)]
"""The service writes null for a number that is not finite; here it is NaN."""


class Response(BaseModel):
    """A part of a response."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Score(Response):
    """The score of one class for one image, or the value of one output."""

    index: int
    label: str
    logit: Number
    probability: Number
    value: float | None = None
    """The value of the output, if the model outputs values; then the other numbers are NaN."""

    @property
    def text(self) -> str:
        """The probability in percent, else the value of the output or the logit."""
        if not math.isnan(self.probability):
            return f"{self.probability:.1%}"
        return f"{self.logit if self.value is None else self.value:.4g}"


class TrustScores(Response):
    """Faithfulness and localization of one map; NaN or None where undefined."""

    insertion: Number = math.nan
    deletion: Number = math.nan
    drop: Number = math.nan
    increase: bool | None = None
    times_better_than_chance: Number = math.nan
    pointing_hit: bool | None = None
    energy_in_box: Number = math.nan


class Target(Response):
    """One explained class, and the verdict on its map."""

    score: Score
    verdict: Verdict
    minimum: Number
    maximum: Number
    rivals: tuple[Score, ...] = ()
    against: bool = False
    trust: TrustScores | None = None
    regions: tuple[Region, ...] | None = None
    border_share: float | None = None
    overlap: float | None = None


class Covers(Response):
    """The rectangle of the original image that the map covers, in pixels from the top left."""

    x: float
    y: float
    width: float
    height: float


class OtherMaps(Response):
    """The maps of one of several methods, at one of several layers."""

    method: str
    layer: str
    linear: bool
    targets: tuple[Target, ...]
    map_height: int
    map_width: int
    stride_px: int | None = None
    receptive_field_px: int | None = None


class ExplanationResult(Response):
    """The result of a succeeded explanation."""

    top: tuple[Score, ...]
    targets: tuple[Target, ...]
    model_digest: str
    method: str
    tried: tuple[str, ...] = ()
    layer: str
    linear: bool
    inputs: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """The values of the model's inputs beside the image."""
    within: dict[str, Any] | None = None
    """The box or the mask in which the pixels of a class count."""
    reference: dict[str, str] | None = None
    """The `image_id` that the request compares with."""
    map_height: int
    map_width: int
    stride_px: int | None = None
    receptive_field_px: int | None = None
    covers: Covers
    channels: Literal["rgb", "luma"] | tuple[float, float, float] = "rgb"
    image_width_px: int
    image_height_px: int
    structure: float | None = None
    other_maps: tuple[OtherMaps, ...] = ()
    body: str = "computed"
    engine: str = ""
    timings_ms: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)


class Links(Response):
    """Paths of related resources, below the service's URL."""

    self: str
    events: str | None = None
    cancel: str | None = None
    overlay: str | None = None
    map: str | None = None


class Problem(Response):
    """Why an explanation failed: a stable `code`, and a `detail` for people."""

    code: str
    detail: str


class Summary(Response):
    """What a list shows of an explanation; from `target` on, None until it has succeeded."""

    id: str
    key: str | None = None
    """The key of the item of a batch."""
    status: JobState
    model: str
    method: str
    submitted_at: str | None = None
    error: Problem | None = None
    target: Score | None = None
    """The class of the first map."""
    answer: Score | None = None
    """The most probable class."""
    margin: float | None = None
    """By how much it is more probable than the next one."""
    verdict: Verdict | None = None
    trust: float | None = None
    """How many times better than a random map the first map is, if measured."""
    suspicion: Suspicion | None = None
    """Why a person should look at it; its score is in bits."""


class SummaryPage(Response):
    """A page of summaries; `next` is where the next one begins."""

    summaries: tuple[Summary, ...]
    next: str | None = None


class WebhookStatus(Response):
    """The delivery state of a webhook; `detail` describes the receiver's last response."""

    url: str
    status: str
    """`waiting`, `pending`, `delivered`, `refused` or `exhausted`."""
    attempts: int = 0
    detail: str | None = None


class SecondsLeft(Response):
    """When an explanation will have finished: in half and in nine tenths of all cases."""

    p50: float
    p90: float


class SentImage(Response):
    """An image that the service has; `image_id` is the SHA-256 of the file."""

    image_id: str
    media_type: str
    width_px: int
    height_px: int


class Model(Response):
    """One model of the catalog; its other fields are in `model_extra`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    inputs: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """The inputs beside the image, with the values of requests that give none."""
    labels: tuple[str, ...] = ()
    """The names of the classes in index order, when one model was asked for."""


class Models(Response):
    """The catalog, and the model of requests that name none."""

    models: tuple[Model, ...]
    default: str


class ProblemDocument(Response):
    """The body of a rejection (RFC 9457)."""

    title: str = ""
    detail: str = ""
    code: str = "unknown"

    @classmethod
    def parse(cls, body: Any) -> "ProblemDocument":
        """Read a JSON body; fields that are missing keep their defaults."""
        return cls.model_validate(body) if isinstance(body, dict) else cls()
