"""The route of the OpenAPI document, which describes every route."""

import json
from functools import cache

from flask import Blueprint, Flask, Response, current_app
from pydantic import JsonValue

from seewhy_api.http.auth import public
from seewhy_api.openapi.declarations import Answer, Operation, describe
from seewhy_api.openapi.document import build_document

DOCUMENT = Operation(
    id="get_openapi_document",
    tag="service",
    answers=(Answer(description="The document.", model=dict[str, JsonValue]),),
)


def create_documentation_blueprint() -> Blueprint:
    """Create the blueprint of `/openapi.json`."""
    blueprint = Blueprint("documentation", __name__)

    @cache
    def document(app: Flask) -> str:  # built when it is first requested: it takes 0.1 s
        return json.dumps(build_document(app), separators=(",", ":"))

    @blueprint.get("/openapi.json")
    @public
    @describe(DOCUMENT)
    def get_document() -> Response:
        """Get this document: every route in OpenAPI 3.1."""
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        response = Response(document(app), content_type="application/json")
        response.headers["Cache-Control"] = "public, max-age=300"
        return response

    return blueprint
