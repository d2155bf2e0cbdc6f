"""The routes of the catalogue."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify

from seewhy.catalog.catalog import ModelSpec
from seewhy.errors import UnknownModel
from seewhy.schemas.methods import METHOD_INFO
from seewhy_api.dependencies import Dependencies
from seewhy_api.http.problems import problem


def create_models(parts: Dependencies) -> Blueprint:
    """Make the blueprint."""
    routes = Blueprint("models", __name__, url_prefix="/v1/models")

    @routes.get("")
    def everything() -> Response:
        models = [_view(parts.catalog.get(name)) for name in parts.catalog.names()]
        return jsonify({"models": models, "default": parts.settings.default_model})

    @routes.get("/<name>")
    def one(name: str) -> Response:
        try:
            return jsonify(_view(parts.catalog.get(name)))
        except UnknownModel as error:
            return problem(HTTPStatus.NOT_FOUND, error.code, str(error))

    return routes


def _view(spec: ModelSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "source": spec.source,
        "digest": spec.digest,
        "input": spec.input.model_dump(),
        "geometry": spec.geometry.model_dump(),
        "layer": spec.layer,
        "layers": spec.offered_layers,
        "classes": len(spec.labels),
        "methods": [_method(name) for name in spec.methods],
    }


def _method(name: str) -> dict[str, Any]:
    facts = METHOD_INFO[name]
    return {
        "name": name,
        "forward_passes": facts.forward_passes,
        "linear": facts.linear,
        "has_layer": facts.uses_layer,
        "fuses": facts.fusable,
        "paper": facts.paper,
    }
