"""The routes of the inspector: its page, and the files that the page loads."""

from flask import Blueprint, Response

from seewhy.errors import NotFound
from seewhy_api.http.assets import Asset, respond_with_asset
from seewhy_api.http.auth import public
from seewhy_api.inspector.assets import (
    CONTENT_SECURITY_POLICY,
    MEDIA_TYPES,
    NAMES,
    STATUS,
    read_asset,
    read_page,
    version,
)
from seewhy_api.openapi.declarations import Answer, Operation, describe

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATED = "no-cache"

PAGE = Operation(
    id="get_inspector",
    tag="service",
    answers=(Answer(description="The page.", media_types=("text/html",)),),
)
STATUS_PAGE = Operation(
    id="get_status_page",
    tag="service",
    answers=(Answer(description="The page.", media_types=("text/html",)),),
)
FILE = Operation(
    id="get_inspector_file",
    tag="service",
    answers=(
        Answer(
            description="The file.",
            media_types=tuple(type_ for type_ in MEDIA_TYPES.values() if type_ != "text/html"),
        ),
    ),
    errors_of_path=(NotFound,),
)


def create_inspector_blueprint() -> Blueprint:
    """Create the blueprint of `/` and of the files of the page."""
    blueprint = Blueprint("inspector", __name__)

    @blueprint.get("/")
    @public
    @describe(PAGE)
    def get_inspector() -> Response:
        """Get the inspector, the page that shows explanations."""
        return respond_with_page(read_page())

    @blueprint.get("/status")
    @public
    @describe(STATUS_PAGE)
    def get_status_page() -> Response:
        """Get the page that shows the state of the service to its operators."""
        return respond_with_page(read_page(STATUS))

    @blueprint.get("/inspector/<version_of_page>/<file>")
    @public
    @describe(FILE)
    def get_inspector_file(version_of_page: str, file: str) -> Response:
        """Get a script, style sheet or icon of the inspector.

        Under its own version a file never changes. Under any other version, such as that of a page
        which another release has sent, the answer is the current file, and is not kept.
        """
        if file not in NAMES:
            raise NotFound("The inspector has no such file.")
        asset = read_asset(file)
        is_current = version_of_page == version()
        return respond_with_asset(asset, cache_control=IMMUTABLE if is_current else REVALIDATED)

    return blueprint


def respond_with_page(page: Asset) -> Response:
    """Return a page under the policy of the inspector's pages."""
    response = respond_with_asset(page, cache_control=REVALIDATED)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    # With "no-referrer", browsers would send the form with the origin "null", which is refused.
    response.headers["Referrer-Policy"] = "same-origin"
    return response
