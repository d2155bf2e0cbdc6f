"""Alive, and ready: whether a request could be promised now."""

from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from seewhy.errors import Unavailable
from seewhy_api.dependencies import Dependencies


def create_health(parts: Dependencies) -> Blueprint:
    """Make the blueprint."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def alive() -> Response:
        return jsonify({"status": "ok"})

    @routes.get("/readyz")
    def ready() -> Response:
        checks = {"ledger": _answer(parts.ledger.check), "store": _answer(parts.store.check)}
        well = all(answer == "ok" for answer in checks.values())
        response = jsonify({"status": "ok" if well else "unavailable", "checks": checks})
        response.status_code = 200 if well else 503
        return response

    return routes


def _answer(check: Callable[[], None]) -> str:
    try:
        check()
    except Unavailable as error:
        return error.code
    return "ok"
