"""The JSON bodies of webhooks: what receivers get."""

from typing import Any, Literal

from pydantic import Field

from seewhy.schemas.job import JobState, Priority
from seewhy_api.http.batch_body import EndedBatch
from seewhy_api.http.explanation_body import Reason, ResponseModel, Timestamp


class SelfLink(ResponseModel):
    """The path of this API where everything else is."""

    self: str


class EndedExplanation(ResponseModel):
    """An explanation that has ended, without its result."""

    id: str
    status: JobState
    model: str
    method: str
    priority: Priority
    metadata: dict[str, Any] = Field(description="As it was sent.")
    attempts: int = Field(description="How often a worker has started the job.")
    error: Reason | None = Field(description="Why the explanation did not succeed.")
    submitted_at: Timestamp | None
    finished_at: Timestamp | None
    links: SelfLink


class ExplanationMessage(ResponseModel):
    """That an explanation has ended, and how."""

    type: Literal[
        "explanation.succeeded",
        "explanation.failed",
        "explanation.cancelled",
        "explanation.expired",
    ]
    timestamp: Timestamp | None
    data: EndedExplanation


class BatchMessage(ResponseModel):
    """That a batch has ended, and how."""

    type: Literal["batch.finished", "batch.cancelled", "batch.failed"]
    timestamp: Timestamp | None
    data: EndedBatch
