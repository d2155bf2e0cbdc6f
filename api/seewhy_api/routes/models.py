"""The routes of the model catalog."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify

from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import UnknownModel
from seewhy.schemas.methods import METHOD_INFO
from seewhy_api.http.auth import requires
from seewhy_api.http.problems import problem
from seewhy_api.routes.dependencies import Dependencies


def create_models_blueprint(deps: Dependencies) -> Blueprint:
    """Create the blueprint of `/v1/models`."""
    blueprint = Blueprint("models", __name__, url_prefix="/v1/models")

    @blueprint.get("")
    @requires()
    def list_models() -> Response:
        """List the models of the catalog, and the default model."""
        models = [_serialize_model(deps.catalog.get(name)) for name in deps.catalog.names()]
        return jsonify({"models": models, "default": deps.settings.default_model})

    @blueprint.get("/<name>")
    @requires()
    def get_model(name: str) -> Response:
        """Get one model: its input, layers and methods."""
        try:
            return jsonify(_serialize_model(deps.catalog.get(name)))
        except UnknownModel as error:  # in a path it is a 404; in a request body a 422
            return problem(HTTPStatus.NOT_FOUND, error.code, str(error))

    return blueprint


def _serialize_model(spec: ModelSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "source": spec.source,
        "digest": spec.digest,
        "input": spec.input.model_dump(),
        "geometry": spec.geometry.model_dump(),
        "layer": spec.layer,
        "layers": spec.offered_layers,
        "classes": len(spec.labels),
        "methods": [_serialize_method(name) for name in spec.methods],
    }


def _serialize_method(name: str) -> dict[str, Any]:
    info = METHOD_INFO[name]
    return {
        "name": name,
        "forward_passes": info.forward_passes,
        "linear": info.linear,
        "has_layer": info.uses_layer,
        "fuses": info.fusable,
        "paper": info.paper,
    }
