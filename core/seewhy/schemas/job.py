"""A job: one accepted request in the form that a worker runs, and its states."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from seewhy.schemas.base_models import StoredModel, StrictModel
from seewhy.schemas.geometry import Box
from seewhy.schemas.methods import Normalization, ScoreKind
from seewhy.schemas.reference import StoredReference
from seewhy.schemas.regions import DEFAULT_THRESHOLD, Threshold
from seewhy.schemas.targets import TargetOrIndex
from seewhy.schemas.within import Within


class JobState(StrEnum):
    """The state of a job. Terminal states never change."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """Whether the job has an outcome."""
        return self not in {JobState.QUEUED, JobState.RUNNING}


class Priority(StrEnum):
    """Interactive jobs run before batch jobs of the same model."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


class MethodOptions(StrictModel):
    """The options that shape the maps of one image."""

    method: str = "gradcam"
    fallback: tuple[str, ...] = ()
    score: ScoreKind = "logit"
    layers: tuple[str, ...] = Field(
        (), description="The maps of several layers are fused. Empty: the target layer."
    )
    trust: bool = Field(False, description="Whether to compute trust scores.")


class Job(StoredModel):
    """All that a worker needs to run a request, with names resolved and defaults filled in."""

    model: str
    method: str
    other_methods: tuple[str, ...] = ()
    """Further methods that explain the same targets; without fallbacks."""
    targets: tuple[TargetOrIndex, ...]
    inputs: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """The values of the model's inputs beside the image, by name."""
    within: Within | None = None
    """Where the pixels of a class count; None for the whole image."""
    reference: StoredReference | None = None
    """The image to compare with; None for the references of the catalog."""
    layers: tuple[str, ...] = ()
    other_layers: tuple[tuple[str, ...], ...] = ()
    """Further layers, each with maps of its own; empty for the target layer. Without fallbacks."""
    fallback: tuple[str, ...] = ()
    score: ScoreKind = "logit"
    preset: Literal["classic"] | None = None
    normalize: Normalization = "image"
    threshold: Threshold = DEFAULT_THRESHOLD
    outputs: tuple[str, ...]
    box: Box | None = None
    image_key: str
    image_width_px: int
    image_height_px: int
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def method_options(self) -> tuple[MethodOptions, ...]:
        """The options that shape the maps of each method at each layer."""
        return tuple(
            MethodOptions(
                method=method,
                fallback=self.fallback,
                score=self.score,
                layers=layers,
                trust="trust" in self.outputs,
            )
            for method in (self.method, *self.other_methods)
            for layers in (self.layers, *self.other_layers)
        )
