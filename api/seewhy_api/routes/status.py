"""The route of the state of the service."""

from flask import Blueprint, Response, jsonify
from pydantic import Field

from seewhy.access.records import Scope
from seewhy.monitoring.service_status import ServiceStatus
from seewhy_api.http.auth import current_caller, requires
from seewhy_api.openapi.declarations import Answer, Operation, describe
from seewhy_api.routes.dependencies import Dependencies


class CallerStatus(ServiceStatus):
    """The state of the service, and what the caller may do."""

    scopes: tuple[Scope, ...] = Field(description="The scopes of the caller.")


STATUS = Operation(
    id="get_status",
    tag="service",
    answers=(Answer(description="The state.", model=CallerStatus),),
)


def create_status_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/status`."""
    blueprint = Blueprint("status", __name__, url_prefix="/v1/status")

    @blueprint.get("")
    @requires(Scope.READ)
    @describe(STATUS)
    def get_status() -> Response:
        """Get the state of the service: what is wrong, the queues, the workers, and Redis.

        `alerts` says in words what is wrong now, and what to do first. The counts are those of all
        tenants. Without the scope `admin`, workers are named without their hosts, and why models
        could not be loaded is left out. While Redis does not answer, what is read from it is null.
        """
        scopes = current_caller().scopes
        status = deps.status_reader.read(shows_hosts=Scope.ADMIN in scopes)
        body = CallerStatus(**dict(status), scopes=tuple(sorted(scopes)))
        response = jsonify(body.model_dump(mode="json"))
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint
