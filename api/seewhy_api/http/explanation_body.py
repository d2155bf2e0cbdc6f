"""The JSON body of an explanation: what clients see of a job."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from seewhy.ledger.types import DeliveryState
from seewhy.schemas.job import JobState, Priority
from seewhy.schemas.result import ExplanationResult

Timestamp = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, description="A time in UTC.")
]


class ResponseModel(BaseModel):
    """A body of a response, or a part of it. Every field is always present."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Reason(ResponseModel):
    """A stable code, and a sentence for people."""

    code: str
    detail: str


class SecondsLeft(ResponseModel):
    """An estimate of how long it takes until the end."""

    p50: float = Field(description="In half of all cases it takes no longer.")
    p90: float = Field(description="In nine of ten cases it takes no longer.")


class LiveWorkers(ResponseModel):
    """The workers that serve the model of an open job: it is loaded, or loaded on demand."""

    count: int
    last_seen_at: Timestamp | None = Field(description="When one was last seen, if ever.")


class WebhookDelivery(ResponseModel):
    """The state of a webhook."""

    url: str
    status: DeliveryState
    attempts: int
    detail: str | None = Field(description="The result of the latest attempt.")


class ExplanationLinks(ResponseModel):
    """Paths of this API; null while there is nothing."""

    self: str
    events: str
    cancel: str | None
    overlay: str | None
    map: str | None
    regions: str | None


class Explanation(ResponseModel):
    """An explanation: its status, and once it has finished its result or error."""

    id: str
    status: JobState
    model: str
    method: str
    inputs: dict[str, tuple[float, ...]] = Field(
        description="The values of the model's inputs beside the image, by name."
    )
    priority: Priority
    metadata: dict[str, Any] = Field(description="As it was sent.")
    attempts: int = Field(description="How often a worker has started the job.")
    image_id: str = Field(
        description="The SHA-256 of the file, which names it in further requests."
    )
    cached: bool = Field(description="Whether an identical request was computed already.")
    queue_position: int | None = Field(
        description="1 for the next job of its queue; an estimate when more than a hundred "
        "tenants are served first. Null once the job runs."
    )
    eta_s: SecondsLeft | None = Field(
        description="When the explanation will have finished, in seconds from now. Null without a "
        "worker, and when the job waits for another attempt or runs again after a crash."
    )
    workers: LiveWorkers | None = Field(description="Null for a finished explanation.")
    warnings: tuple[Reason, ...]
    cancel_requested: bool
    submitted_at: Timestamp | None
    started_at: Timestamp | None
    finished_at: Timestamp | None
    error: Reason | None = Field(description="Why the explanation did not succeed.")
    result: ExplanationResult | None
    webhook: WebhookDelivery | None
    links: ExplanationLinks
    downloads: dict[str, str] = Field(
        description="Links to the object store, if it has any; they expire after an hour."
    )


class ExplanationEvent(ResponseModel):
    """The data of an event while an explanation is open."""

    id: str
    status: Literal[JobState.QUEUED, JobState.RUNNING]


class MissingExplanation(Reason):
    """An id without an explanation, and why."""

    id: str


class ExplanationList(ResponseModel):
    """Several explanations."""

    explanations: tuple[Explanation, ...]
    missing: tuple[MissingExplanation, ...]
