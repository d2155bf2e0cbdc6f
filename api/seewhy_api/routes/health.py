"""Liveness and readiness of the API, and the workers behind it."""

from collections import Counter
from http import HTTPStatus
from typing import Literal

from flask import Blueprint, Response, jsonify
from pydantic import Field

from seewhy.errors import Unavailable
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.monitoring.service_status import DependencyChecks
from seewhy_api.http.auth import public
from seewhy_api.http.explanation_body import ResponseModel
from seewhy_api.openapi.declarations import Answer, Operation, describe
from seewhy_api.routes.dependencies import Dependencies


class Liveness(ResponseModel):
    """That the process serves requests."""

    status: Literal["ok"] = "ok"


class WorkerCounts(ResponseModel):
    """How many workers are alive, and by model how many serve it."""

    count: int
    models: dict[str, int] = Field(description="By model, how many have it loaded.")
    on_demand: dict[str, int] = Field(
        description="By model, how many would load it if its jobs waited."
    )


class Readiness(ResponseModel):
    """Whether the API can accept requests."""

    status: Literal["ok", "unavailable"]
    checks: DependencyChecks
    workers: WorkerCounts | None


ALIVE = Operation(
    id="check_liveness",
    tag="service",
    answers=(Answer(description="The process is alive.", model=Liveness),),
)
READY = Operation(
    id="check_readiness",
    tag="service",
    answers=(
        Answer(description="The API can accept requests.", model=Readiness),
        Answer(
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            description="The ledger or the object store does not respond.",
            model=Readiness,
        ),
    ),
)


def create_health_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/healthz` and `/readyz`."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    @public
    @describe(ALIVE)
    def alive() -> Response:
        """Answer 200 while the process serves requests."""
        return jsonify(Liveness().model_dump())

    @blueprint.get("/readyz")
    @public
    @describe(READY)
    def ready() -> Response:
        """Report whether the API can accept requests, and which workers are alive.

        Answers 200 if the ledger and the object store respond, 503 otherwise. `workers` counts the
        live workers and, by model, those that have it loaded or would load it; it does not change
        the status.
        """
        checks = deps.status_reader.check()
        ok = checks.ledger == checks.store == "ok"
        body = Readiness(
            status="ok" if ok else "unavailable",
            checks=checks,
            workers=_count_workers(deps.workers),
        )
        response = jsonify(body.model_dump())
        response.status_code = 200 if ok else 503
        return response

    return blueprint


def _count_workers(registry: WorkerRegistry) -> WorkerCounts | None:
    """Count the workers, and those of each model; None if the ledger is down.

    Workers do not affect readiness: jobs wait in the ledger, and an autoscaler starts workers only
    once the API has accepted jobs.
    """
    try:
        workers = registry.list_workers()
    except Unavailable:
        return None
    models = Counter(model for worker in workers for model in worker.models)
    on_demand = Counter(model for worker in workers for model in worker.on_demand)
    return WorkerCounts(
        count=len(workers),
        models=dict(sorted(models.items())),
        on_demand=dict(sorted(on_demand.items())),
    )
