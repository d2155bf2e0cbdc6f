"""The routes of the OpenAPI document, and of a viewer for it that loads nothing from elsewhere."""

import json
from functools import cache

from flask import Blueprint, Flask, Response, current_app
from pydantic import JsonValue

from seewhy.errors import NotFound
from seewhy_api.http.assets import Asset, respond_with_asset
from seewhy_api.http.auth import public
from seewhy_api.openapi.declarations import Answer, Operation, describe
from seewhy_api.openapi.document import build_document
from seewhy_api.openapi.viewer_assets import (
    CONTENT_SECURITY_POLICY,
    MEDIA_TYPES,
    read_asset,
    read_page,
)

CACHE_CONTROL = "public, max-age=300"

DOCUMENT = Operation(
    id="get_openapi_document",
    tag="service",
    answers=(Answer(description="The document.", model=dict[str, JsonValue]),),
)
VIEWER = Operation(
    id="get_viewer",
    tag="service",
    answers=(Answer(description="The page.", media_types=("text/html",)),),
)
ASSET = Operation(
    id="get_viewer_asset",
    tag="service",
    answers=(
        Answer(description="The file.", media_types=tuple(dict.fromkeys(MEDIA_TYPES.values()))),
    ),
    errors_of_path=(NotFound,),
)


def create_documentation_blueprint() -> Blueprint:
    """Create the blueprint of `/openapi.json` and `/docs`."""
    blueprint = Blueprint("documentation", __name__)
    read = cache(read_asset)

    @cache
    def document(app: Flask) -> Asset:  # built when it is first requested: it takes 0.1 s
        body = json.dumps(build_document(app), separators=(",", ":")).encode()
        return Asset.of(body, "application/json")

    @blueprint.get("/openapi.json")
    @public
    @describe(DOCUMENT)
    def get_document() -> Response:
        """Get this document: every route in OpenAPI 3.1."""
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        return respond_with_asset(document(app), cache_control=CACHE_CONTROL)

    @blueprint.get("/docs")
    @public
    @describe(VIEWER)
    def get_viewer() -> Response:
        """Get a page that shows this document, and sends requests from it."""
        response = respond_with_asset(read_page(), cache_control=CACHE_CONTROL)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    @blueprint.get("/docs/<asset>")
    @public
    @describe(ASSET)
    def get_viewer_asset(asset: str) -> Response:
        """Get a script or style sheet of the page."""
        if asset not in MEDIA_TYPES:
            raise NotFound("The page has no such file.")
        return respond_with_asset(read(asset), cache_control=CACHE_CONTROL)

    return blueprint
