"""The routes of agreements: that of an explanation, and the worst of a project."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from seewhy.access.records import Scope
from seewhy.errors import InvalidRequest, ResultNotReady
from seewhy.ledger.types import JobRecord
from seewhy.schemas.agreement import ProjectAgreements
from seewhy.schemas.job import Job
from seewhy_api.http.auth import request_context, requires
from seewhy_api.http.slots import listing_slots
from seewhy_api.http.summaries import serialize_summaries
from seewhy_api.label_studio.agreement_inputs import AnnotationReference, annotation_of
from seewhy_api.label_studio.agreement_measurer import PUSHED, STORED
from seewhy_api.label_studio.backend import LabelStudioBackend
from seewhy_api.openapi.declarations import describe
from seewhy_api.routes import agreement_operations as operations
from seewhy_api.routes.agreement_operations import RankingOptions
from seewhy_api.routes.dependencies import Dependencies


def create_agreements_blueprint(deps: Dependencies, backend: LabelStudioBackend) -> Blueprint:
    """Create the blueprint of the agreements."""
    blueprint = Blueprint("agreements", __name__)
    slots = listing_slots("agreements")

    @blueprint.get("/v1/explanations/<job_id>/agreement")
    @requires(Scope.READ)
    @describe(operations.GET_AGREEMENT)
    def get_agreement(job_id: str) -> Response:
        """Get how well the explanation of an annotation in Label Studio agrees with it.

        An annotation that was changed or deleted since has no agreement with the explanation.
        """
        tenant = request_context().tenant
        record = deps.lookup.read_job(job_id, context=request_context())
        reference = _annotation_of(record)
        found = backend.agreements.find(
            record.job_id, project=reference.project_key, task=reference.task, tenant=tenant
        )
        if found is None:
            raise ResultNotReady(_reason(record))
        return jsonify(found.model_dump(mode="json"))

    @blueprint.get("/label-studio/projects/<project>/agreements")
    @requires(Scope.READ)
    @describe(operations.LIST_AGREEMENTS)
    def list_agreements(project: str) -> Response:
        """List the annotations of a project that agree least with their explanations, worst first.

        They are ordered by `energy_inside`. Those without positive evidence are last. One list is
        made for a tenant at a time.
        """
        options = RankingOptions.model_validate(request.args.to_dict())
        tenant = request_context().tenant
        with slots.take(tenant):
            ranked = backend.agreements.worst(project, limit=options.limit, tenant=tenant)
        return jsonify(ranked.model_dump(mode="json"))

    @blueprint.get("/label-studio/projects/<project>/summaries")
    @requires(Scope.READ)
    @describe(operations.LIST_PROJECT_SUMMARIES)
    def list_project_summaries(project: str) -> Response:
        """List the explanations of the annotations that agree least with them, worst first.

        Their `suspicion` counts how much of the evidence is outside the annotation. There is one
        page; explanations past their retention are left out. One list is made for a tenant at a
        time.
        """
        options = RankingOptions.model_validate(request.args.to_dict())
        tenant = request_context().tenant
        with slots.take(tenant):
            ranked = backend.agreements.worst(project, limit=options.limit, tenant=tenant)
        response = jsonify(_summaries(deps, ranked, tenant=tenant))
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint


def _summaries(deps: Dependencies, ranked: ProjectAgreements, *, tenant: str) -> dict[str, Any]:
    """Return the summaries of the explanations in a ranking, in its order."""
    measured = {each.explanation: each for each in ranked.agreements}
    rows = [
        (record, f"task {measured[record.job_id].task}")
        for record in deps.batches.ledger.read_jobs(list(measured))
        if record and record.context.tenant == tenant
    ]
    agreements = {job_id: each.agreement for job_id, each in measured.items()}
    return serialize_summaries(rows, following=None, agreements=agreements)


def _annotation_of(record: JobRecord) -> AnnotationReference:
    try:
        return annotation_of(Job.model_validate_json(record.job))
    except ValueError as error:
        raise InvalidRequest(
            "This explanation is of no annotation: Label Studio's webhook requests those."
        ) from error


def _reason(record: JobRecord) -> str:
    if not record.state.terminal:
        return "The explanation has not ended."
    detail = record.webhook.detail if record.webhook else None
    if detail in {STORED, PUSHED}:
        return "The annotation was changed or deleted since."
    return detail or "The agreement is not measured yet."
