"""How the routes of batches describe themselves."""

from http import HTTPStatus

from seewhy import errors
from seewhy_api.http.batch_body import (
    ArchiveForm,
    Batch,
    BatchQuery,
    ImageFolder,
    JsonLines,
    ResultsQuery,
    SubmittedBatch,
)
from seewhy_api.http.batch_upload import FORM, NDJSON
from seewhy_api.http.parsing import WaitQuery
from seewhy_api.openapi import examples
from seewhy_api.openapi.declarations import JSON, Answer, Body, Link, Operation
from seewhy_api.routes.events import ResumeQuery

BATCH_ERRORS = (errors.UnknownBatch, errors.BatchGone, errors.LedgerUnavailable)
"""What every route answers that looks up a batch."""

_NEXT = tuple(
    Link(operation_id=name, parameters={"batch_id": "$response.body#/id"})
    for name in ("get_batch", "get_batch_results", "stream_batch_events", "cancel_batch")
)

SUBMIT = Operation(
    id="submit_batch",
    tag="batches",
    query=BatchQuery,
    headers=("Idempotency-Key",),
    bodies=(
        Body(model=JsonLines, media_type=NDJSON, examples={"one item": examples.BATCH_ITEMS}),
        Body(
            model=ArchiveForm,
            media_type=FORM,
            content_types={"archive": "application/zip", "request": JSON},
            has_sample=True,
        ),
        Body(model=ImageFolder, examples={"a folder": examples.IMAGE_FOLDER}, has_sample=True),
    ),
    answers=(
        Answer(
            status=HTTPStatus.ACCEPTED,
            description="The batch was accepted.",
            model=SubmittedBatch,
            examples=("accepting",),
            headers=("Location", "Retry-After"),
            links=_NEXT,
        ),
    ),
    errors=(
        errors.InvalidRequest,
        errors.TooManyBatches,
        errors.TooManyBatchUploads,
        errors.ImageTooLarge,
        errors.Unavailable,
    ),
)
GET = Operation(
    id="get_batch",
    tag="batches",
    query=WaitQuery,
    headers=("Prefer",),
    answers=(Answer(description="The batch.", model=Batch, headers=("Retry-After",), links=_NEXT),),
    errors=BATCH_ERRORS,
)
GET_RESULTS = Operation(
    id="get_batch_results",
    tag="batches",
    query=ResultsQuery,
    answers=(Answer(description="One line for each item.", media_types=(NDJSON,)),),
    errors=(*BATCH_ERRORS, errors.TooManyBatchDownloads),
)
GET_OVERLAYS = Operation(
    id="get_batch_overlays",
    tag="batches",
    answers=(
        Answer(
            description="The overlays.",
            media_types=("application/zip",),
            headers=("Content-Disposition", "Cache-Control"),
        ),
    ),
    errors=(*BATCH_ERRORS, errors.TooManyBatchDownloads),
)
STREAM = Operation(
    id="stream_batch_events",
    tag="batches",
    query=ResumeQuery,
    headers=("Last-Event-ID",),
    answers=(
        Answer(description="The progress.", media_types=("text/event-stream",)),
        Answer(
            status=HTTPStatus.NO_CONTENT,
            description="The end was received already; there are no further events.",
            media_types=(),
        ),
    ),
    errors=(*BATCH_ERRORS, errors.TooManyStreams),
)
RETRY = Operation(
    id="retry_batch",
    tag="batches",
    answers=(
        Answer(
            status=HTTPStatus.ACCEPTED,
            description="A new batch with the failed and expired items.",
            model=Batch,
            headers=("Location", "Retry-After"),
            links=_NEXT,
        ),
    ),
    errors=(
        *BATCH_ERRORS,
        errors.ResultNotReady,
        errors.InvalidRequest,
        errors.IdempotencyKeyBusy,
        errors.TooManyBatches,
    ),
)
CANCEL = Operation(
    id="cancel_batch",
    tag="batches",
    answers=(
        Answer(
            description="The batch; its jobs end in the background.",
            model=Batch,
            headers=("Retry-After",),
            links=_NEXT,
        ),
    ),
    errors=BATCH_ERRORS,
)
