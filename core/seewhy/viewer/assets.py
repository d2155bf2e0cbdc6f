"""The files of the viewer, as they are served and embedded."""

from functools import cache
from importlib.resources import files

from seewhy.viewer.constants import constants_script
from seewhy.viewer.source_text import join_modules, shorten_script, shorten_style

MODULES = (
    "elements.js",
    "map.js",
    "regions.js",
    "color.js",
    "scale.js",
    "words.js",
    "layers.js",
    "marks.js",
    "gestures.js",
    "seewhy-map.js",
)
"""Each after those that it imports. All can import `constants.js`, which is generated."""
SCRIPT = "viewer.js"
"""All modules in one, with their exports: one request, and two thirds of their compressed size."""
STYLE = "viewer.css"
ASSETS = (SCRIPT, STYLE)


@cache
def read_asset(name: str) -> bytes:
    """Return one of the `ASSETS` in UTF-8, without its comments. Raises `KeyError` otherwise."""
    if name == SCRIPT:
        return shorten_script(join_modules(read_modules())).encode()
    if name == STYLE:
        return shorten_style(read_source(STYLE)).encode()
    raise KeyError(name)


def read_modules() -> tuple[str, ...]:
    """Return the sources of the modules, for scripts that hold them."""
    return (constants_script(), *map(read_source, MODULES))


def read_source(name: str) -> str:
    """Return the source of a module or a style sheet, for files that hold it."""
    return files("seewhy.viewer").joinpath("static", name).read_text("utf-8")
