"""The route of the queues."""

from flask import Blueprint, Response, jsonify

from seewhy.access.records import Scope
from seewhy.monitoring.queue_list import Queues
from seewhy_api.http.auth import requires
from seewhy_api.openapi.declarations import Answer, Operation, describe
from seewhy_api.routes.dependencies import Dependencies

LIST = Operation(
    id="list_queues",
    tag="service",
    answers=(Answer(description="The queues.", model=Queues),),
)


def create_queues_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/queues`."""
    blueprint = Blueprint("queues", __name__, url_prefix="/v1/queues")

    @blueprint.get("")
    @requires(Scope.ADMIN)
    @describe(LIST)
    def list_queues() -> Response:
        """List the queues with open jobs: how many wait, how long, and the work in them.

        A queue has the jobs of all tenants for one model and priority. Jobs of many forward passes
        are in queues of their own, marked `long`.
        """
        body = Queues.of(deps.ledger.status(), deps.workers.list_workers())
        response = jsonify(body.model_dump(mode="json"))
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint
