"""The routes that list summaries: of a tenant's latest explanations, and of a batch."""

from itertools import islice

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from seewhy import errors
from seewhy.access.records import Scope
from seewhy_api.http.auth import request_context, requires
from seewhy_api.http.summaries import Summaries, serialize_summaries
from seewhy_api.openapi.declarations import Answer, Operation, describe
from seewhy_api.routes.dependencies import Dependencies

MAX_SUMMARIES = 500
_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_ANSWER = (Answer(description="A page of summaries.", model=Summaries, examples=("summaries",)),)


class _Page(BaseModel):
    """How much to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: int = Field(100, ge=1, le=MAX_SUMMARIES, description="How many to list at most.")


class LatestPage(_Page):
    """Which of the latest explanations to list."""

    before: str | None = Field(
        None, pattern=_ID, description="Only explanations older than this: `next` of a page."
    )


class BatchPage(_Page):
    """Which items of a batch to list."""

    first: int = Field(
        0, ge=0, le=999_999_999, description="The index of the first item: `next` of a page."
    )


LIST_LATEST = Operation(
    id="list_summaries",
    tag="explanations",
    query=LatestPage,
    sample_query="limit=20",
    answers=_ANSWER,
    errors=(errors.InvalidRequest, errors.LedgerUnavailable),
)
LIST_BATCH = Operation(
    id="list_batch_summaries",
    tag="batches",
    query=BatchPage,
    sample_query="limit=20",
    answers=_ANSWER,
    errors=(
        errors.InvalidRequest,
        errors.UnknownBatch,
        errors.BatchGone,
        errors.LedgerUnavailable,
        errors.StoreUnavailable,
    ),
)


def create_summaries_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of the routes that list summaries."""
    blueprint = Blueprint("summaries", __name__)

    @blueprint.get("/v1/summaries")
    @requires(Scope.READ)
    @describe(LIST_LATEST)
    def list_summaries() -> Response:
        """List the latest explanations, the newest first, in pages.

        A summary has what is shown in a list, and the `suspicion`: why a person should look at the
        explanation. The newest 2,000 explanations of a tenant are listed.
        """
        page = LatestPage.model_validate(request.args.to_dict())
        tenant = request_context().tenant
        records = deps.ledger.latest(tenant, before=page.before, limit=page.limit)
        following = records[-1].job_id if len(records) == page.limit else None
        rows = [(record, None) for record in records]
        return _response(serialize_summaries(rows, following=following))

    @blueprint.get("/v1/batches/<batch_id>/summaries")
    @requires(Scope.READ)
    @describe(LIST_BATCH)
    def list_batch_summaries(batch_id: str) -> Response:
        """List the explanations of a batch in the order of its items, in pages.

        Items without an explanation are left out, so a page may have fewer than `limit`.
        """
        page = BatchPage.model_validate(request.args.to_dict())
        batch = deps.lookup.read_batch(batch_id, context=request_context())
        items = islice(deps.batches.results.read(batch, first=page.first), page.limit)
        rows = [(item.record, item.key) for item in items if item.record]
        end = page.first + page.limit
        return _response(
            serialize_summaries(rows, following=str(end) if end < batch.total else None)
        )

    return blueprint


def _response(body: dict[str, object]) -> Response:
    response = jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    return response
