"""The route of a job's event stream, which ends with the outcome and can be resumed."""

from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus

from flask import Blueprint, Response, request
from pydantic import BaseModel, Field

from seewhy import errors
from seewhy.access.records import Scope
from seewhy_api.http.auth import request_context, requires
from seewhy_api.http.serializers import serialize_explanation
from seewhy_api.openapi.declarations import JOB_ERRORS, Answer, Operation, describe
from seewhy_api.routes.dependencies import Dependencies
from seewhy_api.streaming.event_stream import EVENT_ID_PATTERN, OUTCOME_ID, parse_last_event_id
from seewhy_api.streaming.sse_writer import SseWriter


class ResumeQuery(BaseModel):
    """The query of an event stream."""

    after: str | None = Field(
        None,
        pattern=EVENT_ID_PATTERN,
        description="Like `Last-Event-ID`, for clients that cannot send it.",
    )


STREAM = Operation(
    id="stream_events",
    tag="explanations",
    query=ResumeQuery,
    headers=("Last-Event-ID",),
    answers=(
        Answer(description="The events.", media_types=("text/event-stream",)),
        Answer(
            status=HTTPStatus.NO_CONTENT,
            description="The outcome was received already; there are no further events.",
            media_types=(),
        ),
    ),
    errors=(*JOB_ERRORS, errors.TooManyStreams),
)


def create_events_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/explanations/{id}/events`."""
    blueprint = Blueprint("events", __name__, url_prefix="/v1/explanations/<job_id>")
    writer = SseWriter(
        ledger=deps.ledger,
        event_feed=deps.event_feed,
        serialize=lambda record: serialize_explanation(record, store=deps.store),
    )

    @blueprint.get("/events")
    @requires(Scope.READ)
    @describe(STREAM)
    def stream_events(job_id: str) -> Response:
        """Stream the events of an explanation as server-sent events.

        The stream starts with the current state and ends with the outcome, whose data is the whole
        explanation. `Last-Event-ID` or `?after=` resumes it. After the outcome, answers 204.
        """
        query = ResumeQuery.model_validate(request.args.to_dict())
        last_id = request.headers.get("Last-Event-ID", query.after)
        if last_id == OUTCOME_ID:
            return Response(status=HTTPStatus.NO_CONTENT)  # an EventSource does not reconnect then
        after = None if last_id is None else parse_last_event_id(last_id)
        context = request_context()
        with ExitStack() as stack:
            stack.enter_context(deps.streams.take(f"{context.tenant} {request.remote_addr}"))
            subscription = stack.enter_context(deps.event_feed.subscribe(job_id, after=after))
            record = deps.lookup.require_job(writer.read_job(job_id), job_id, context=context)
            response = event_stream(writer.write(record, subscription, after=after))
            response.call_on_close(stack.pop_all().close)
        return response

    return blueprint


def event_stream(messages: Iterator[str]) -> Response:
    """Return a response that no cache or proxy holds back."""
    response = Response(messages, mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response
