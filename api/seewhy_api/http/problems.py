"""Error responses: RFC 9457 problem details, with one table of statuses."""

import logging
from http import HTTPStatus

from flask import Flask, Response, json
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException

from seewhy import errors
from seewhy.ledger.types import QuotaName
from seewhy.quoting import quote_mistake
from seewhy_api.http import rate_limits
from seewhy_api.http.request_metrics import PROBLEMS

RETRY_AFTER_S = 2
MAX_MISTAKES = 20
"""How many mistakes of a request an answer lists."""
MAX_MISTAKE_CHARACTERS = 200
MAX_DETAIL_CHARACTERS = 1_000
"""For lists of the names that would be valid. What a client sent is quoted shorter."""

STATUS: dict[type[errors.SeewhyError], HTTPStatus] = {
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BatchTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.IdempotencyKeyBusy: HTTPStatus.CONFLICT,
    errors.BadImage: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnsupportedImage: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.ImageTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.AccessDenied: HTTPStatus.FORBIDDEN,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.ExplanationGone: HTTPStatus.GONE,
    errors.BatchGone: HTTPStatus.GONE,
    errors.ResultNotReady: HTTPStatus.CONFLICT,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyBatches: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyBatchUploads: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyBatchDownloads: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyStreams: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyDownloads: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyListings: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyRenderings: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyPredictions: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyLargeBodies: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyRedeliveries: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TenantQueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.QuotaExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TenantRecordsFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyFailures: HTTPStatus.TOO_MANY_REQUESTS,
}

PROBLEM_JSON = "application/problem+json"

_log = logging.getLogger(__name__)


class Mistake(BaseModel):
    """One mistake in a request."""

    field: str = Field(description="The path of the field, with dots.")
    message: str


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str = Field(description="The name of the status.")
    status: int
    detail: str = Field(description="A sentence for people.")
    code: str = Field(description="The stable name of the error, for programs.")
    errors: tuple[Mistake, ...] = Field((), description="The mistakes of a request, at most 20.")


def install(app: Flask) -> None:
    """Convert every error that a route raises into a problem response."""
    app.register_error_handler(errors.SeewhyError, _from_seewhy_error)
    app.register_error_handler(ValidationError, _from_validation_error)
    app.register_error_handler(HTTPException, _from_http_exception)
    app.register_error_handler(Exception, _from_unexpected_error)


def problem(status: HTTPStatus, code: str, detail: str, **members: object) -> Response:
    """Build a problem response. `code` is stable; `detail` is a sentence for people."""
    PROBLEMS.labels(code).inc()
    body = json.dumps(problem_members(status, code, detail) | members)
    response = Response(body, status=int(status), content_type=PROBLEM_JSON)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.CONFLICT}:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def problem_members(status: HTTPStatus, code: str, detail: str) -> dict[str, object]:
    """Return the members of problem details (RFC 9457) and our stable `code`."""
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": cut(detail, MAX_DETAIL_CHARACTERS),
        "code": code,
    }


def cut(text: str, max_characters: int) -> str:
    """Return `text`, or its beginning with an ellipsis."""
    return text if len(text) <= max_characters else text[: max_characters - 1] + "…"


def code_of(status: HTTPStatus) -> str:
    """Return the code of an error that has no class of its own."""
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return errors.ImageTooLarge.code
    return status.phrase.lower().replace(" ", "_").replace("-", "_")


def status_of(error: errors.SeewhyError) -> HTTPStatus:
    """Return the status of an error."""
    return status_of_class(type(error))


def status_of_class(kind: type[errors.SeewhyError]) -> HTTPStatus:
    """Return the status of the nearest base class in `STATUS`; 500 without one."""
    statuses = (STATUS[base] for base in kind.__mro__ if base in STATUS)
    return next(statuses, HTTPStatus.INTERNAL_SERVER_ERROR)


def _from_seewhy_error(error: errors.SeewhyError) -> Response:
    status = status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return _from_unexpected_error(error)
    if isinstance(error, errors.Overloaded):
        response = problem(status, error.code, str(error))
        response.headers["Retry-After"] = str(error.retry_after_s)
        if isinstance(error, errors.QuotaExceeded) and error.quota != QuotaName.OPEN_JOBS:
            response.headers[rate_limits.USAGE_HEADER] = rate_limits.format_remaining(
                error.quota, remaining=error.remaining, reset_s=error.retry_after_s
            )
        return response
    if status is HTTPStatus.SERVICE_UNAVAILABLE and not isinstance(error, errors.ModelNotServed):
        _log.warning("Answering 503: %s", error)
        detail = "The service is temporarily unavailable. Retry the request later."
        return problem(status, error.code, detail)
    response = problem(status, error.code, str(error))
    if isinstance(error, errors.NotAcceptable):
        response.headers.add("Vary", "Accept")
    if challenge := _challenge(error):
        response.headers["WWW-Authenticate"] = challenge
    return response


def _challenge(error: errors.SeewhyError) -> str | None:
    """Return the challenge of RFC 6750. Not Basic: browsers would ask for a password."""
    if isinstance(error, errors.Unauthenticated):
        return 'Bearer realm="seewhy"' + (', error="invalid_token"' if error.invalid else "")
    if isinstance(error, errors.InsufficientScope):
        return f'Bearer realm="seewhy", error="insufficient_scope", scope="{error.scope}"'
    return None


def _from_validation_error(error: ValidationError) -> Response:
    mistakes = mistakes_of(error)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if any(mistake["type"] == "json_invalid" for mistake in error.errors()):
        status = HTTPStatus.BAD_REQUEST
    return problem(status, errors.InvalidRequest.code, describe(mistakes), errors=mistakes)


def mistakes_of(error: ValidationError) -> list[dict[str, str]]:
    """List what is wrong with a request, without what the client sent."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        {
            "field": cut(".".join(str(part) for part in mistake["loc"]), MAX_MISTAKE_CHARACTERS),
            "message": cut(quote_mistake(mistake), MAX_MISTAKE_CHARACTERS),
        }
        for mistake in found[:MAX_MISTAKES]
    ]


def describe(mistakes: list[dict[str, str]]) -> str:
    """Return the mistakes as one text."""
    return "; ".join(
        f"{m['field']}: {m['message']}" if m["field"] else m["message"] for m in mistakes
    )


def _from_http_exception(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    response = problem(status, code_of(status), error.description or status.phrase)
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


def _from_unexpected_error(error: Exception) -> Response:
    _log.error("Unexpected error in a request", exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        errors.SeewhyError.code,
        "Internal error. The server's log has the details.",
    )
