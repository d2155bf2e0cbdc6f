"""Show maps in the viewer's element on a page, and read what it drew and said."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

from viewer_modules import encoded, open_viewer

CATS_PX = 451, 300
"""The width and height of the photo of a cat."""
HALF = {"kind": "fraction", "value": 0.5}
OK = {"verdict": "ok"}
SHOW = """([maps, data, view]) => {
  window.events = [];
  for (const name of ["cellhover", "cellpin", "zoomchange", "paint", "photoerror"]) {
    document.addEventListener(name, (event) => events.push([name, event.detail]));
  }
  window.map = document.createElement("seewhy-map");
  document.body.append(map);
  map.data = { ...data, maps: maps.map(floats) };
  map.view = view;
}"""
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
PIXELS = """() => {
  const canvas = map.querySelector("canvas");
  const { width, height } = canvas;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  let text = "";
  for (let n = 0; n < data.length; n += 4096) {
    text += String.fromCharCode(...data.subarray(n, n + 4096));
  }
  return [[height, width, 4], btoa(text)];
}"""
EDGES = """(name) => map.querySelector(`.${name}.line`).getAttribute("d")"""


def bump(row: float, column: float, size: int = 14) -> NDArray[np.float32]:
    """Return a map `(size, size)` with evidence around a cell, and a little against elsewhere."""
    rows, columns = np.mgrid[:size, :size]
    distance = (rows - row) ** 2 + (columns - column) ** 2
    return np.asarray(np.exp(-distance / 6) - 0.05, np.float32)


def show(
    page: Page,
    maps: list[NDArray[np.float32]],
    view: dict[str, Any] | None = None,
    *,
    photo: str | None = "cat.jpg",
    photos: Path | None = None,
    **data: Any,
) -> None:
    """Show maps on a photo of a cat, in an element that is called `map` in the page."""
    files = {"cat.jpg": (photos / "cat.jpg").read_bytes()} if photos else {}
    open_viewer(page, files)
    width_px, height_px = CATS_PX
    height, width = maps[0].shape
    defaults = {
        "photoUrl": photo if photos else None,
        "mapHeight": height,
        "mapWidth": width,
        "covers": {"x": 0, "y": 0, "width": width_px, "height": height_px},
        "imageWidthPx": width_px,
        "imageHeightPx": height_px,
        "targets": [OK] * len(maps),
        "method": "gradcam",
        "linear": True,
        "layer": "block5_conv3",
        "stridePx": 16,
        "receptiveFieldPx": 196,
    }
    page.evaluate(SHOW, [[encoded(each) for each in maps], defaults | data, view or {}])
    page.evaluate(PAINTED)


def look(page: Page, view: dict[str, Any]) -> None:
    """Change the view, and wait until it is drawn."""
    page.evaluate("(view) => { map.view = view; }", view)
    page.evaluate(PAINTED)


def pixels(page: Page) -> NDArray[np.uint8]:
    """Return the canvas as RGBA, `(height, width, 4)`."""
    shape, values = page.evaluate(PIXELS)
    return np.frombuffer(base64.b64decode(values), np.uint8).reshape(shape)


def events(page: Page, name: str) -> list[Any]:
    """Return the details of the events of a name, oldest first."""
    return [detail for each, detail in page.evaluate("events") if each == name]


def center(page: Page, row: int, column: int) -> tuple[float, float]:
    """Return where the center of a cell of 14 x 14 is in the window, when the image fits."""
    box = page.locator("seewhy-map").bounding_box()
    assert box is not None
    return (
        box["x"] + box["width"] * (column + 0.5) / 14,
        box["y"] + box["height"] * (row + 0.5) / 14,
    )
