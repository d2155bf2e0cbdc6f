"""A job: one accepted request, as the worker runs it, and its states."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from seewhy.schemas.base_models import StoredModel, StrictModel
from seewhy.schemas.geometry import Box
from seewhy.schemas.methods import Normalization, ScoreKind
from seewhy.schemas.targets import TargetOrIndex


class JobState(StrEnum):
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
        return self not in {JobState.QUEUED, JobState.RUNNING}


class Priority(StrEnum):
    """Interactive jobs go before batch jobs of the same model."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


class MethodOptions(StrictModel):
    """How the maps of one picture are to be made; pictures of one recipe go together."""

    method: str = "gradcam"
    fallback: tuple[str, ...] = ()
    score: ScoreKind = "logit"
    layers: tuple[str, ...] = Field((), description="Several are fused; none: the target layer.")
    trust: bool = Field(False, description="Whether the maps are put to the test.")


class Job(StoredModel):
    """What a worker needs to run an accepted request: names resolved, defaults filled in."""

    model: str
    method: str
    targets: tuple[TargetOrIndex, ...]
    layers: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    score: ScoreKind = "logit"
    preset: Literal["classic"] | None = None
    normalize: Normalization = "image"
    outputs: tuple[str, ...]
    box: Box | None = None
    image_key: str
    image_width_px: int
    image_height_px: int
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def method_options(self) -> MethodOptions:
        """How its maps are to be made."""
        return MethodOptions(
            method=self.method,
            fallback=self.fallback,
            score=self.score,
            layers=self.layers,
            trust="trust" in self.outputs,
        )
