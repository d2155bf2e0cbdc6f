"""Alive, and ready: whether a request could be promised now."""

from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from seewhy.errors import Unavailable
from seewhy_api.dependencies import Dependencies


def create_health_blueprint(deps: Dependencies) -> Blueprint:
    """Make the blueprint."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def alive() -> Response:
        return jsonify({"status": "ok"})

    @blueprint.get("/readyz")
    def ready() -> Response:
        checks = {"ledger": _answer(deps.ledger.check), "store": _answer(deps.store.check)}
        ok = all(answer == "ok" for answer in checks.values())
        response = jsonify({"status": "ok" if ok else "unavailable", "checks": checks})
        response.status_code = 200 if ok else 503
        return response

    return blueprint


def _answer(check: Callable[[], None]) -> str:
    try:
        check()
    except Unavailable as error:
        return error.code
    return "ok"
