"""How the routes of an explanation describe themselves."""

from http import HTTPStatus

from seewhy import errors
from seewhy_api.http.explanation_body import Explanation
from seewhy_api.http.parsing import WaitQuery
from seewhy_api.http.upload_bodies import (
    IMAGE_TYPES,
    Base64Submission,
    KnownImageSubmission,
    RemoteImageSubmission,
    SubmissionForm,
)
from seewhy_api.openapi import examples
from seewhy_api.openapi.declarations import JOB_ERRORS, Answer, Body, Operation, job_links

_NEXT = job_links("get_explanation", "stream_events", "cancel_explanation")
_RESULT = job_links("get_map", "get_overlay", "get_heatmap", "get_regions", "get_contours")

SUBMIT = Operation(
    id="submit_explanation",
    tag="explanations",
    query=WaitQuery,
    sample_query="wait=30",
    headers=("Idempotency-Key", "Prefer"),
    bodies=(
        Body(
            model=SubmissionForm,
            media_type="multipart/form-data",
            content_types={"image": IMAGE_TYPES, "request": "application/json"},
        ),
        Body(
            model=Base64Submission | KnownImageSubmission | RemoteImageSubmission,
            examples={"base64": examples.BASE64_SUBMISSION},
        ),
    ),
    answers=tuple(
        Answer(
            status=status,
            description=description,
            model=Explanation,
            examples=(example,),
            headers=("Location", "Retry-After", "RateLimit", "RateLimit-Policy"),
            links=links,
        )
        for status, description, example, links in (
            (HTTPStatus.OK, "The explanation has finished.", "succeeded", _NEXT + _RESULT),
            (HTTPStatus.ACCEPTED, "The explanation was accepted.", "queued", _NEXT),
        )
    ),
    errors=(
        errors.InvalidRequest,
        errors.BadImage,
        errors.TooManyDownloads,
        errors.QueueFull,
        errors.TenantQueueFull,
        errors.TenantRecordsFull,
        errors.QuotaExceeded,
        errors.Unavailable,
    ),
)
GET = Operation(
    id="get_explanation",
    tag="explanations",
    query=WaitQuery,
    sample_query="wait=30",
    headers=("Prefer",),
    answers=(
        Answer(
            description="The explanation.",
            model=Explanation,
            examples=("queued", "succeeded"),
            headers=("Retry-After",),
            links=_NEXT + _RESULT,
        ),
    ),
    errors=JOB_ERRORS,
)
CANCEL = Operation(
    id="cancel_explanation",
    tag="explanations",
    answers=(
        Answer(
            description="The explanation, with its new status.",
            model=Explanation,
            headers=("Retry-After",),
            links=_NEXT,
        ),
    ),
    errors=JOB_ERRORS,
)
REDELIVER = Operation(
    id="redeliver_webhook",
    tag="explanations",
    answers=(
        Answer(
            description="The explanation; its webhook is pending.",
            model=Explanation,
            links=_NEXT,
        ),
    ),
    errors=(
        *JOB_ERRORS,
        errors.ResultNotReady,
        errors.TooManyRedeliveries,
    ),
)
