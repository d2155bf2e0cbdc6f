"""The route of the running workers."""

from flask import Blueprint, Response, jsonify

from seewhy.access.records import Scope
from seewhy.monitoring.worker_list import Worker, worker_list
from seewhy_api.http.auth import requires
from seewhy_api.http.explanation_body import ResponseModel
from seewhy_api.openapi.declarations import Answer, Operation, describe
from seewhy_api.routes.dependencies import Dependencies


class Workers(ResponseModel):
    """The running workers, the oldest first."""

    workers: tuple[Worker, ...]


LIST = Operation(
    id="list_workers",
    tag="service",
    answers=(Answer(description="The workers.", model=Workers),),
)


def create_workers_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/workers`."""
    blueprint = Blueprint("workers", __name__, url_prefix="/v1/workers")

    @blueprint.get("")
    @requires(Scope.ADMIN)
    @describe(LIST)
    def list_workers() -> Response:
        """List the running workers with their models, devices, pace, and last sign of life.

        Workers serve all tenants. The list counts their jobs and names none. A worker reports
        three times in the time after which it would lose its jobs (30 s by default); after a crash
        it is listed for that time.
        """
        body = Workers(workers=worker_list(deps.workers.list_workers()))
        response = jsonify(body.model_dump(mode="json"))
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint
