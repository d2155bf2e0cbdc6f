"""The files of the inspector's page, their media types, and one version of all of them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Photos are fetched with the API key and shown as blobs."""
INDEX = "index.html"
NAMES = (
    "app.css",
    "app.js",
    "compare.js",
    "elements.js",
    "gallery.js",
    "icon.svg",
    "inspect.js",
    "location.js",
    "pages.css",
    "service.js",
    "states.js",
    "submission.js",
)
"""The files beside the pages. All are served from one folder, so that modules import each other
by relative paths."""

_MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}
)
_VERSION = b"{{version}}"
_JS_COMMENT = re.compile(
    rb"^\s*(?://[^\n]*|/\*(?:(?!\*/).)*\*/)\n|^[ \t]+", re.MULTILINE | re.DOTALL
)
"""A comment that fills whole lines, and the indentation of any line. Sources have no template
literals of several lines; a test compares the tokens."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served, and its media type."""

    body: bytes
    media_type: str


@cache
def read_asset(name: str) -> Asset:
    """Read a file whose name is in `NAMES`, without its comments."""
    return Asset(_read(name), _media_type(name))


@cache
def read_page(name: str = INDEX) -> Asset:
    """Read a page, with the version in the addresses of its files."""
    return Asset(_read(name).replace(_VERSION, version().encode()), _media_type(name))


@cache
def version() -> str:
    """Return the hash of all files: it changes when one of them does."""
    digest = hashlib.sha256()
    for name in NAMES:
        digest.update(name.encode() + b"\0" + read_asset(name).body + b"\0")
    return digest.hexdigest()[:16]


def _media_type(name: str) -> str:
    return _MEDIA_TYPES[name.rpartition(".")[2]]


def _read(name: str) -> bytes:
    body = (resources.files(__package__) / "static" / name).read_bytes()
    return _JS_COMMENT.sub(b"", body) if name.endswith((".js", ".css")) else body
