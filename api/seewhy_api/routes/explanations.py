"""The routes of an explanation's life: submit, look, wait, cancel."""

from flask import Blueprint, Response, jsonify, request

from seewhy.broker.wakeups import WakeupPublisher
from seewhy.errors import InvalidRequest, ResultNotReady
from seewhy.jobs.submit_service import SubmitService
from seewhy.ledger.ports.ledger import Ledger
from seewhy.ledger.types import DeliveryState, JobRecord
from seewhy_api.dependencies import Dependencies
from seewhy_api.http import serializers as views
from seewhy_api.http.auth import request_context
from seewhy_api.http.parsing import idempotency_key, read_upload, wait_wanted

POLL_AFTER_S = 1


def create_explanations(parts: Dependencies) -> Blueprint:
    """Make the blueprint."""
    routes = Blueprint("explanations", __name__, url_prefix="/v1/explanations")
    acceptance = SubmitService(
        settings=parts.settings,
        catalog=parts.catalog,
        ledger=parts.ledger,
        store=parts.store,
        wakeups=parts.wakeups,
    )

    def show(record: JobRecord) -> Response:
        position = _position(parts.ledger, record)
        answer = jsonify(views.explanation(record, position=position, store=parts.store))
        answer.headers["Cache-Control"] = "no-store"
        if not record.state.terminal:
            answer.headers["Retry-After"] = str(POLL_AFTER_S)
        return answer

    @routes.post("")
    def submit() -> Response:
        wait_s, key = wait_wanted(request), idempotency_key(request)
        body, wanted = read_upload(request)
        context = request_context(request, tenant_header=parts.settings.tenant_header)
        manifest = acceptance.accept(body, wanted, key=key, context=context)
        # Redis may have lost the job since. It was promised, and its manifest brings it back:
        # another answer would have the client ask anew, for a second job.
        record = parts.long_poll.outcome(manifest.job_id, wait_s=wait_s) or manifest.accepted
        _wake_courier(parts.wakeups, record)
        answer = show(record)
        done = record.state.terminal and (wait_s > 0 or record.cached)
        answer.status_code = 200 if done else 202
        answer.headers["Location"] = f"/v1/explanations/{manifest.job_id}"
        return answer

    @routes.get("/<job_id>")
    def look(job_id: str) -> Response:
        record = parts.long_poll.outcome(job_id, wait_s=wait_wanted(request))
        return show(parts.lookup.require_job(record, job_id))

    @routes.post("/<job_id>/cancel")
    def cancel(job_id: str) -> Response:
        record = parts.lookup.require_job(parts.ledger.cancel(job_id), job_id)
        _wake_courier(parts.wakeups, record)
        return show(record)

    @routes.post("/<job_id>/redeliver")
    def redeliver(job_id: str) -> Response:
        record = parts.lookup.require_job(parts.ledger.read(job_id), job_id)
        if record.webhook is None:
            raise InvalidRequest("nobody asked to be told of this explanation: it has no webhook")
        if not parts.outbox.redeliver(job_id):
            raise ResultNotReady(f"the explanation is {record.state}: there is nothing to tell yet")
        parts.wakeups.notify_dispatchers(times=1)
        return show(parts.lookup.require_job(parts.ledger.read(job_id), job_id))

    return routes


def _position(ledger: Ledger, record: JobRecord) -> int | None:
    return None if record.state.terminal else ledger.queue_position(record)


def _wake_courier(wakeups: WakeupPublisher, record: JobRecord) -> None:
    """Ring for an outcome that no worker had a hand in."""
    if record.webhook and record.webhook.state is DeliveryState.PENDING:
        wakeups.notify_dispatchers(times=1)
