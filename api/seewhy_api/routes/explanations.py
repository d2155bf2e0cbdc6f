"""The routes of an explanation: submit, get, cancel, redeliver its webhook."""

import math

from flask import Blueprint, Response, g, jsonify, request

from seewhy.access.records import Scope
from seewhy.errors import (
    InvalidRequest,
    LedgerUnavailable,
    ResultNotReady,
    TooManyRedeliveries,
)
from seewhy.jobs.submit_service import AcceptedRequest
from seewhy.ledger.types import DeliveryState, JobRecord, model_of
from seewhy_api.http import rate_limits
from seewhy_api.http.auth import current_caller, request_context, requires
from seewhy_api.http.parsing import (
    parse_idempotency_key,
    parse_submission,
    parse_wait_s,
)
from seewhy_api.http.serializers import serialize_explanation
from seewhy_api.openapi.declarations import describe
from seewhy_api.routes import explanation_operations as operations
from seewhy_api.routes.dependencies import Dependencies

POLL_AFTER_S = 1
REDELIVERY_INTERVAL_MS = 60_000


def create_explanations_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/explanations`."""
    blueprint = Blueprint("explanations", __name__, url_prefix="/v1/explanations")
    _add_submit(blueprint, deps)
    _add_get_and_cancel(blueprint, deps)
    _add_redeliver(blueprint, deps)
    return blueprint


def _add_submit(blueprint: Blueprint, deps: Dependencies) -> None:
    @blueprint.post("")
    @requires(Scope.SUBMIT)
    @describe(operations.SUBMIT)
    def submit() -> Response:
        """Submit an image for explanation.

        Send `multipart/form-data` with the file part `image` and the optional JSON part `request`,
        or `application/json` with the fields of a request beside exactly one of `image_base64`,
        `image_id` (which `POST /v1/images` returns) and `image_url` (https, http or s3, from the
        hosts and buckets that the operator has allowed). The image is read before the answer. With
        `Idempotency-Key`, a retry returns the same explanation and reads no image; after a loss of
        Redis it gets 503 until the jobs are restored. `Prefer: wait=N` or `?wait=N` waits up to
        30 s.

        Answers 202 with `Location`, or 200 when the explanation has finished. `workers` counts the
        workers that serve the model: it is loaded, or they load it now. If there are none, the job
        waits for one, and `warnings` has an entry with the code `model_not_served`. With an API
        key, `RateLimit-Policy` lists the quotas of a minute, and `RateLimit` says what is left of
        them.
        """
        wait_s, key = parse_wait_s(request), parse_idempotency_key(request)
        source, explanation_request = parse_submission(request)
        caller = current_caller()
        accepted = deps.submit_service.accept(
            source, explanation_request, key=key, context=caller.context, quotas=caller.quotas
        )
        record = _read_accepted(deps, accepted, wait_s=wait_s)
        _wake_dispatcher(deps, record)
        response = _explanation_response(deps, record)
        finished = record.state.terminal and (wait_s > 0 or record.cached)
        response.status_code = 200 if finished else 202
        response.headers["Location"] = f"/v1/explanations/{accepted.job_id}"
        if accepted.usage:
            response.headers[rate_limits.USAGE_HEADER] = rate_limits.format_usage(accepted.usage)
        return response

    @blueprint.after_request
    def describe_quotas(response: Response) -> Response:
        quotas = current_caller().quotas if "caller" in g else None
        if quotas and request.endpoint == f"{blueprint.name}.{submit.__name__}":
            response.headers[rate_limits.POLICY_HEADER] = rate_limits.format_policy(quotas)
        return response


def _add_get_and_cancel(blueprint: Blueprint, deps: Dependencies) -> None:
    @blueprint.get("/<job_id>")
    @requires(Scope.READ)
    @describe(operations.GET)
    def get(job_id: str) -> Response:
        """Get an explanation: its status, and once it has finished its result or error.

        `?wait=N` waits up to 30 s for the outcome. `queue_position` is an estimate when more than a
        hundred tenants are served first. `eta_s` estimates when the explanation will have finished,
        from the work before it and what workers have measured.
        """
        context = request_context()
        wait_s = parse_wait_s(request)
        if wait_s:  # before waiting: how long an answer takes must not tell of another tenant's job
            deps.lookup.read_job(job_id, context=context)
        record = deps.long_poll.read_job(job_id, wait_s=wait_s)
        return _explanation_response(deps, deps.lookup.require_job(record, job_id, context=context))

    @blueprint.post("/<job_id>/cancel")
    @requires(Scope.SUBMIT, Scope.READ)
    @describe(operations.CANCEL)
    def cancel(job_id: str) -> Response:
        """Cancel a queued explanation, or request the cancellation of a running one.

        A finished explanation stays as it is.
        """
        context = request_context()
        deps.lookup.read_job(job_id, context=context)
        record = deps.lookup.require_job(deps.ledger.cancel(job_id), job_id, context=context)
        _wake_dispatcher(deps, record)
        return _explanation_response(deps, record)


def _add_redeliver(blueprint: Blueprint, deps: Dependencies) -> None:
    @blueprint.post("/<job_id>/redeliver")
    @requires(Scope.SUBMIT, Scope.READ)
    @describe(operations.REDELIVER)
    def redeliver(job_id: str) -> Response:
        """Send the webhook of a finished explanation again, with ten new attempts.

        At most once a minute.
        """
        context = request_context()
        record = deps.lookup.read_job(job_id, context=context)
        if record.webhook is None:
            raise InvalidRequest("This explanation has no webhook.")
        redelivery = deps.outbox.redeliver(job_id, interval_ms=REDELIVERY_INTERVAL_MS)
        if redelivery.wait_ms:
            raise TooManyRedeliveries(
                "The webhook was sent again less than a minute ago.",
                retry_after_s=math.ceil(redelivery.wait_ms / 1000),
            )
        if not redelivery.scheduled:
            raise ResultNotReady(
                f"The explanation is {record.state}; its webhook is sent when it has ended."
            )
        deps.wakeups.notify_dispatchers(times=1)
        return _explanation_response(deps, deps.lookup.read_job(job_id, context=context))


def _read_accepted(deps: Dependencies, accepted: AcceptedRequest, *, wait_s: float) -> JobRecord:
    """Return the record of an accepted job.

    Redis may have lost it since, or not answer. A job that was just accepted is durable and its
    manifest restores it; an error would make the client submit a second job. When an earlier
    request with the same idempotency key was accepted, a retry is safe: raises `LedgerUnavailable`.
    """
    try:
        record = deps.long_poll.read_job(accepted.job_id, wait_s=wait_s)
    except LedgerUnavailable:
        if accepted.manifest is None:
            raise
        record = None
    if record is not None:
        return record
    if accepted.manifest is None:
        raise LedgerUnavailable("Redis lost the job of this Idempotency-Key.")
    return accepted.manifest.accepted


def _explanation_response(deps: Dependencies, record: JobRecord) -> Response:
    forecast = deps.forecaster.of_job(record)
    serving = None if record.state.terminal else deps.served_models.serving(model_of(record.lane))
    response = jsonify(
        serialize_explanation(record, forecast=forecast, store=deps.store, serving=serving)
    )
    response.headers["Cache-Control"] = "no-store"
    if not record.state.terminal:
        response.headers["Retry-After"] = str(POLL_AFTER_S)
    return response


def _wake_dispatcher(deps: Dependencies, record: JobRecord) -> None:
    """Publish a wakeup for an outcome that no worker produced: cancelled, or coalesced."""
    if record.webhook and record.webhook.state is DeliveryState.PENDING:
        deps.wakeups.notify_dispatchers(times=1)
