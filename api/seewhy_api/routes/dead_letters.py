"""The routes of dead letters: failed jobs that wait for somebody to retry or dismiss them."""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, Field

from seewhy.access.records import Scope
from seewhy.errors import (
    ExplanationGone,
    InvalidRequest,
    QueueFull,
    TenantQueueFull,
    TenantRecordsFull,
    TooManyListings,
    Unavailable,
)
from seewhy.ledger.types import JobRecord, model_of, priority_of
from seewhy.schemas.job import Priority
from seewhy_api.http.auth import request_context, requires
from seewhy_api.http.explanation_body import ResponseModel, Timestamp
from seewhy_api.http.serializers import format_time
from seewhy_api.http.slots import listing_slots
from seewhy_api.openapi.declarations import JOB_ERRORS, Answer, Operation, describe, job_links
from seewhy_api.routes.dependencies import Dependencies

LIMIT = 1_000
DEFAULT_LIMIT = 100


class DeadLettersQuery(BaseModel):
    """The query of the list."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=LIMIT, description="The most that are listed.")


class DeadLetter(ResponseModel):
    """A failed job."""

    id: str
    model: str
    priority: Priority
    attempts: int
    submitted_at: Timestamp
    failed_at: Timestamp
    code: str = Field(description="The code of the error.")
    detail: str = Field(description="What went wrong, in a sentence.")


class DeadLetterList(ResponseModel):
    """The dead letters of a tenant, the oldest first."""

    dead_letters: tuple[DeadLetter, ...]


class RetriedJob(ResponseModel):
    """The job that runs a failed one again."""

    id: str
    retry_of: str = Field(description="The failed job, which stays failed.")


class DismissedJob(ResponseModel):
    """A failed job that is no dead letter any more."""

    id: str
    dismissed: bool = Field(description="Whether it was one until now.")


LIST = Operation(
    id="list_dead_letters",
    tag="service",
    query=DeadLettersQuery,
    answers=(Answer(description="The dead letters.", model=DeadLetterList),),
    errors=(InvalidRequest, Unavailable, TooManyListings),
)
RETRY = Operation(
    id="retry_dead_letter",
    tag="service",
    answers=(
        Answer(
            status=HTTPStatus.ACCEPTED,
            description="The new job was accepted.",
            model=RetriedJob,
            headers=("Location",),
            links=job_links("get_explanation"),
        ),
    ),
    errors=(
        *JOB_ERRORS,
        InvalidRequest,
        ExplanationGone,
        QueueFull,
        TenantQueueFull,
        TenantRecordsFull,
        Unavailable,
    ),
)
DISMISS = Operation(
    id="dismiss_dead_letter",
    tag="service",
    answers=(Answer(description="The job is not listed any more.", model=DismissedJob),),
    errors=JOB_ERRORS,
)


def create_dead_letters_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/dead-letters`."""
    blueprint = Blueprint("dead_letters", __name__, url_prefix="/v1/dead-letters")
    _add_list(blueprint, deps)
    _add_decisions(blueprint, deps)
    return blueprint


def _add_list(blueprint: Blueprint, deps: Dependencies) -> None:
    slots = listing_slots("dead letters")

    @blueprint.get("")
    @requires(Scope.READ)
    @describe(LIST)
    def list_dead_letters() -> Response:
        """List the failed jobs of the tenant that nobody has retried or dismissed.

        The oldest come first. The service makes one list for a tenant at a time.
        """
        query = DeadLettersQuery.model_validate(request.args.to_dict())
        tenant = request_context().tenant
        with slots.take(tenant):
            records = deps.ledger.list_dead_letters(limit=query.limit, tenant=tenant)
        body = DeadLetterList(dead_letters=tuple(map(_dead_letter, records)))
        response = jsonify(body.model_dump(mode="json"))
        response.headers["Cache-Control"] = "no-store"
        return response


def _add_decisions(blueprint: Blueprint, deps: Dependencies) -> None:
    @blueprint.post("/<failed_id>/retry")
    @requires(Scope.ADMIN)
    @describe(RETRY)
    def retry(failed_id: str) -> Response:
        """Run a failed job again, as a new job that costs no quota.

        The failed job stays failed, and leaves the list. What is not in the list gets 422.
        """
        deps.lookup.read_job(failed_id, context=request_context())
        if not deps.ledger.is_dead_letter(failed_id):
            raise InvalidRequest(
                "This job is not among the dead letters: it has not failed, or it was retried or "
                "dismissed already."
            )
        body = RetriedJob(id=deps.dead_letters.retry(failed_id), retry_of=failed_id)
        response = jsonify(body.model_dump())
        response.status_code = HTTPStatus.ACCEPTED
        response.headers["Location"] = f"/v1/explanations/{body.id}"
        return response

    @blueprint.post("/<failed_id>/dismiss")
    @requires(Scope.ADMIN)
    @describe(DISMISS)
    def dismiss(failed_id: str) -> Response:
        """Remove a job from the dead letters. It stays failed until its retention ends.

        A job that is not in the list stays as it is.
        """
        deps.lookup.read_job(failed_id, context=request_context())
        dismissed = deps.ledger.dismiss([failed_id]) > 0
        return jsonify(DismissedJob(id=failed_id, dismissed=dismissed).model_dump())


def _dead_letter(record: JobRecord) -> DeadLetter:
    return DeadLetter(
        id=record.job_id,
        model=model_of(record.lane),
        priority=priority_of(record.lane),
        attempts=record.attempts,
        submitted_at=format_time(record.submitted_ms),
        failed_at=format_time(record.finished_ms or 0),
        code=record.error_code or "",
        detail=record.error_detail or "",
    )
