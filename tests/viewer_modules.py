"""Serve the viewer to a page under the policy of the inspector, and name what it sends and gets."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, Route

from seewhy.viewer.assets import SCRIPT, STYLE, read_asset
from seewhy_api.inspector.assets import CONTENT_SECURITY_POLICY

URL = "http://127.0.0.1:1/"
_PAGE = f'<!doctype html><title>viewer</title><link rel="stylesheet" href="{STYLE}"><body>'
_MODULE = """async () => {
  window.viewer = await import("/viewer.js");
  window.floats = (text) =>
    new Float32Array(Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer);
}"""


def open_viewer(page: Page, files: dict[str, bytes] | None = None) -> None:
    """Open a page whose `viewer` is the module, and whose `floats` decodes `encoded` arrays.

    `files` are further files of the site, by name.
    """
    bodies = {SCRIPT: read_asset(SCRIPT), STYLE: read_asset(STYLE), "": _PAGE.encode()}
    bodies |= files or {}
    types = {SCRIPT: "text/javascript", STYLE: "text/css", "": "text/html"}

    def respond(route: Route) -> None:
        name = route.request.url.removeprefix(URL)
        if name not in bodies:
            route.fulfill(status=204 if name == "favicon.ico" else 404)
            return
        media_type = types.get(name, "application/octet-stream")
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Content-Type": media_type}
        route.fulfill(body=bodies[name], headers=headers)

    page.route(f"{URL}**", respond)
    page.goto(URL)
    page.evaluate(_MODULE)


def encoded(values: NDArray[Any]) -> str:
    """Return an array as base64 of its float32, for `floats` in the page."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def decoded(text: str) -> NDArray[np.float32]:
    """Return the float32 that a page sent as base64."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4")
