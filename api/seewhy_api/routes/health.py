"""Liveness and readiness of the API, and the workers behind it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify

from seewhy.errors import Unavailable
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy_api.http.auth import public
from seewhy_api.routes.dependencies import Dependencies


def create_health_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/healthz` and `/readyz`."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    @public
    def alive() -> Response:
        """Answer 200 while the process serves requests."""
        return jsonify({"status": "ok"})

    @blueprint.get("/readyz")
    @public
    def ready() -> Response:
        """Report whether the API can accept requests, and which workers are alive.

        Answers 200 if the ledger and the object store respond, 503 otherwise. `workers` counts the
        live workers and, by model, those that have it loaded; it does not change the status.
        """
        checks = {"ledger": _check(deps.ledger.check), "store": _check(deps.store.check)}
        ok = all(result == "ok" for result in checks.values())
        body = {
            "status": "ok" if ok else "unavailable",
            "checks": checks,
            "workers": _count_workers(deps.workers),
        }
        response = jsonify(body)
        response.status_code = 200 if ok else 503
        return response

    return blueprint


def _check(check: Callable[[], None]) -> str:
    try:
        check()
    except Unavailable as error:
        return error.code
    return "ok"


def _count_workers(registry: WorkerRegistry) -> dict[str, Any] | None:
    """Count the workers, and by model those that have it loaded; None if the ledger is down.

    Workers do not affect readiness: jobs wait in the ledger, and an autoscaler starts workers only
    once the API has accepted jobs.
    """
    try:
        workers = registry.list_workers()
    except Unavailable:
        return None
    models = Counter(model for worker in workers for model in worker.models)
    return {"count": len(workers), "models": dict(sorted(models.items()))}
