"""The files of the inspector's page, their media types, and one version of all of them."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from seewhy.samples import SAMPLES, read_sample
from seewhy.viewer import assets as viewer
from seewhy.viewer.source_text import join_modules, shorten_script, shorten_style
from seewhy_api.http.assets import Asset

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Photos are fetched with the API key and shown as blobs."""
INDEX = "index.html"
STATUS = "status.html"
_SHARED = ("service.js", "states.js", "keys.js")
SCRIPTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "app.js": (
            viewer.SCRIPT,
            *_SHARED,
            "location.js",
            "view.js",
            "explanation.js",
            "inputs.js",
            "controls.js",
            "threshold.js",
            "legend.js",
            "classes.js",
            "downloads.js",
            "progress.js",
            "receipt.js",
            "again.js",
            "shortcuts.js",
            "view-controls.js",
            "inspector.js",
            "inspect.js",
            "submission.js",
            "summaries.js",
            "window-grid.js",
            "gallery.js",
            "compare.js",
            "app.js",
        ),
        "status.js": ("elements.js", *_SHARED, "status-view.js", "status.js"),
    }
)
"""Script → the modules that are joined to it, each after those that it imports, `viewer.js` for all
of the viewer's. One script for a page takes 60 % of the bytes, compressed."""
STYLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"app.css": (viewer.STYLE, "base.css", "screens.css", "controls.css", "lists.css")}
)
"""Style sheet → the parts that are joined to it, in order."""
NAMES = (
    "app.css",
    "pages.css",
    "status.css",
    "icon.svg",
    *SCRIPTS,
    *SAMPLES,
)
"""The files beside the pages."""

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "css": "text/css",
        "html": "text/html",
        "jpg": "image/jpeg",
        "js": "text/javascript",
        "svg": "image/svg+xml",
    }
)
"""The end of a name → the media type."""

_VERSION = b"{{version}}"


@cache
def read_asset(name: str) -> Asset:
    """Read a file whose name is in `NAMES`, without its comments."""
    return _asset(_read(name), name)


@cache
def read_page(name: str = INDEX) -> Asset:
    """Read a page, with the version in the addresses of its files."""
    return _asset(_read(name).replace(_VERSION, version().encode()), name)


@cache
def version() -> str:
    """Return the hash of all files: it changes when one of them does."""
    digest = hashlib.sha256()
    for name in NAMES:
        digest.update(name.encode() + b"\0" + read_asset(name).body + b"\0")
    return digest.hexdigest()[:16]


def _asset(body: bytes, name: str) -> Asset:
    return Asset.of(body, MEDIA_TYPES[name.rpartition(".")[2]])


def _read(name: str) -> bytes:
    if name in SCRIPTS:
        modules = (source for module in SCRIPTS[name] for source in _sources(module))
        return shorten_script(join_modules(modules, has_exports=False)).encode()
    if name.endswith(".css"):
        parts = (source for part in STYLES.get(name, (name,)) for source in _sources(part))
        return shorten_style("".join(parts)).encode()
    return read_sample(name) if name in SAMPLES else _read_source(name)


def _sources(name: str) -> tuple[str, ...]:
    """Return the source of a module or a style sheet; for the viewer, those of its modules."""
    if name == viewer.SCRIPT:
        return viewer.read_modules()
    if name == viewer.STYLE or name in viewer.MODULES:
        return (viewer.read_source(name),)
    return (_read_source(name).decode(),)


def _read_source(name: str) -> bytes:
    return (resources.files(__package__) / "static" / name).read_bytes()
