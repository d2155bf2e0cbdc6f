"""The JSON bodies of batches: what clients send and see."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, WithJsonSchema

from seewhy.ledger.types import BatchState
from seewhy.schemas.base_models import StrictModel
from seewhy.schemas.job import Priority
from seewhy.schemas.request import ExplanationRequest
from seewhy_api.http.explanation_body import (
    Reason,
    ResponseModel,
    SecondsLeft,
    Timestamp,
    WebhookDelivery,
)
from seewhy_api.http.upload_bodies import FileContent

JsonLines = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"\S",
            "description": "One JSON object on each line: exactly one of `image_base64`, "
            "`image_id` and `image_url`, optionally `key`, and fields of a request.",
        }
    ),
]


class BatchQuery(BaseModel):
    """The query of the submission of a batch."""

    request: str | None = Field(
        None,
        json_schema_extra={"contentMediaType": "application/json"},
        description="The request that applies to all items of `application/x-ndjson`, as JSON.",
    )


class ItemsRequest(ExplanationRequest):
    """What to explain of each image of a batch."""

    priority: Literal[Priority.BATCH] = Field(
        Priority.BATCH, description="The items of a batch run at this priority."
    )


class ArchiveForm(StrictModel):
    """The parts of a multipart body that submits an archive."""

    archive: FileContent = Field(description="A zip archive of JPEG, PNG or WebP files.")
    request: ItemsRequest = Field(ItemsRequest(), description="What to explain of each image.")


class ResultsQuery(BaseModel):
    """The query of the results of a batch."""

    after: int | None = Field(
        None, ge=0, le=999_999_999, description="Continue after the item with this index."
    )


class ImageFolder(ItemsRequest):
    """A folder of images to list, and the fields of a request for each of them."""

    image_prefix: str = Field(
        pattern=r"^s3://[^/]+/(.*/)?$",
        description="A folder of a bucket that the operator has allowed, as `s3://BUCKET/FOLDER/`.",
    )


class ItemCounts(ResponseModel):
    """How many items of a batch are in which state."""

    total: int = Field(description="Grows while the batch is listed.")
    waiting: int = Field(description="Not jobs yet.")
    refused: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int


class BatchLinks(ResponseModel):
    """Paths of this API; null while there is nothing."""

    self: str
    results: str
    overlays: str
    events: str
    cancel: str | None
    retry: str | None


class EndedBatch(ResponseModel):
    """What a batch and the message that it has ended share."""

    id: str
    status: BatchState
    error: Reason | None = Field(description="Why the batch failed.")
    counts: ItemCounts
    created_at: Timestamp | None
    accepted_at: Timestamp | None = Field(description="When the last item became a job.")
    finished_at: Timestamp | None
    retry_of: str | None = Field(description="The batch whose failed items these are.")
    retries: int = Field(description="How many retries led to this batch.")
    links: BatchLinks


class Batch(EndedBatch):
    """A batch: its status, and how many of its items are in which state."""

    cancel_requested: bool
    eta_s: SecondsLeft | None = Field(
        description="When the last of its jobs will have finished, in seconds from now, estimated "
        "as for single explanations."
    )
    webhook: WebhookDelivery | None


class RefusedItem(ResponseModel):
    """An item that cannot be explained."""

    index: int = Field(description="Counted from 0, without blank lines.")
    key: str | None
    code: str
    detail: str


class SubmittedBatch(Batch):
    """An accepted batch, with the first hundred items that were refused."""

    refused: tuple[RefusedItem, ...]
