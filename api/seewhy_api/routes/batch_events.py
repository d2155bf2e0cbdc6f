"""The route of a batch's event stream."""

from contextlib import ExitStack
from http import HTTPStatus

from flask import Blueprint, Response, request

from seewhy.access.records import Scope
from seewhy_api.http.auth import request_context, requires
from seewhy_api.http.batch_serializers import serialize_batch
from seewhy_api.openapi.declarations import describe
from seewhy_api.routes import batch_operations as operations
from seewhy_api.routes.dependencies import Dependencies
from seewhy_api.routes.events import ResumeQuery, event_stream
from seewhy_api.streaming.batch_events import BatchEvents
from seewhy_api.streaming.event_stream import OUTCOME_ID, parse_last_event_id


def create_batch_events_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/batches/{id}/events`."""
    blueprint = Blueprint("batch_events", __name__, url_prefix="/v1/batches/<batch_id>")
    events = BatchEvents(
        batches=deps.batches.ledger,
        serialize=lambda batch: serialize_batch(
            batch, eta=deps.forecaster.of_batch(batch)
        ).model_dump(mode="json"),
        is_stopping=lambda: deps.event_feed.stopped,
    )

    @blueprint.get("/events")
    @requires(Scope.READ)
    @describe(operations.STREAM)
    def stream_batch_events(batch_id: str) -> Response:
        """Stream the progress of a batch as server-sent events.

        Each message is the batch, as `GET /v1/batches/{batch_id}` returns it, at most one a second
        and only when something has changed. The last one has the id `end`: resumed after it, the
        stream answers 204.
        """
        query = ResumeQuery.model_validate(request.args.to_dict())
        last_id = request.headers.get("Last-Event-ID", query.after)
        if last_id is not None and last_id != OUTCOME_ID:
            parse_last_event_id(last_id)
        if last_id == OUTCOME_ID:
            return Response(status=HTTPStatus.NO_CONTENT)
        context = request_context()
        with ExitStack() as stack:
            stack.enter_context(deps.streams.take(f"{context.tenant} {request.remote_addr}"))
            batch = deps.lookup.read_batch(batch_id, context=context)
            response = event_stream(events.write(batch))
            response.call_on_close(stack.pop_all().close)
        return response

    return blueprint
