"""The files of the viewer: a page of ours, and Swagger UI from an installed package."""

from collections.abc import Mapping
from importlib import metadata, resources
from types import MappingProxyType

from seewhy_api.http.assets import Asset

SWAGGER_UI = "flask-openapi-swagger"
"""The package that holds Swagger UI (Apache-2.0). Only its files are read; nothing is imported."""
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI has its icons as data URLs, and shows images that the API answers as blobs."""


MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "start.js": "text/javascript",
        "swagger-ui-bundle.js": "text/javascript",
        "swagger-ui.css": "text/css",
    }
)
"""Names of the files beside the page."""


def read_page() -> Asset:
    """Read the page."""
    return Asset.of(_read_own("index.html"), "text/html")


def read_asset(name: str) -> Asset:
    """Read a file whose name is in `MEDIA_TYPES`. Raises `OSError` when it is not installed."""
    body = _read_own(name) if name == "start.js" else _read_swagger_ui(name)
    return Asset.of(body, MEDIA_TYPES[name])


def _read_own(name: str) -> bytes:
    return (resources.files(__package__) / "viewer" / name).read_bytes()


def _read_swagger_ui(name: str) -> bytes:
    for path in metadata.files(SWAGGER_UI) or ():
        if path.name == name:
            return path.read_binary()
    raise FileNotFoundError(f"{SWAGGER_UI} has no file {name}")
