"""The route that gets many explanations in one request, by their ids."""

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, Field

from seewhy.access.records import Scope
from seewhy.errors import InvalidRequest, LedgerUnavailable, NotFound
from seewhy.ledger.types import JobRecord
from seewhy.schemas.context import RequestContext
from seewhy_api.http.auth import request_context, requires
from seewhy_api.http.explanation_body import ExplanationList, MissingExplanation
from seewhy_api.http.serializers import serialize_explanation
from seewhy_api.openapi.declarations import Answer, Operation, describe
from seewhy_api.openapi.examples import EXAMPLE_ID
from seewhy_api.routes.dependencies import Dependencies

MAX_IDS = 100
_ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class IdsQuery(BaseModel):
    """The query of the route."""

    ids: str = Field(
        pattern=f"^{_ID}(,{_ID}){{0,{MAX_IDS - 1}}}$",
        description=f"1 to {MAX_IDS} ids of explanations, separated by commas.",
        examples=[EXAMPLE_ID],
    )


LIST = Operation(
    id="list_explanations",
    tag="explanations",
    query=IdsQuery,
    sample_query=f"ids={EXAMPLE_ID}",
    answers=(Answer(description="The explanations.", model=ExplanationList),),
    errors=(InvalidRequest, LedgerUnavailable),
)


def create_explanation_list_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `GET /v1/explanations`."""
    blueprint = Blueprint("explanation_list", __name__, url_prefix="/v1/explanations")

    @blueprint.get("")
    @requires(Scope.READ)
    @describe(LIST)
    def list_explanations() -> Response:
        """Get up to 100 explanations by their ids, in one request.

        `explanations` are in the order of `ids`, each as `GET /v1/explanations/{job_id}` returns
        it, but without `queue_position`, `eta_s`, `workers` and `warnings`. Those that this route
        would answer with 404 or 410 are in `missing`.
        """
        query = IdsQuery.model_validate(request.args.to_dict())
        ids = list(dict.fromkeys(query.ids.split(",")))
        context = request_context()
        found: list[dict[str, object]] = []
        missing: list[dict[str, object]] = []
        for job_id, record in zip(ids, deps.batches.ledger.read_jobs(ids), strict=True):
            try:
                found.append(_view(deps, record, job_id, context))
            except NotFound as error:
                reason = MissingExplanation(id=job_id, code=error.code, detail=str(error))
                missing.append(reason.model_dump())
        response = jsonify({"explanations": found, "missing": missing})
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint


def _view(
    deps: Dependencies, record: JobRecord | None, job_id: str, context: RequestContext
) -> dict[str, object]:
    job = deps.lookup.require_job(record, job_id, context=context)
    return serialize_explanation(job, store=deps.store)
