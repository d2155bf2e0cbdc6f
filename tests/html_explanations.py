"""Explanations as dictionaries, and the HTML files that are written of them."""

import copy
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from images import encoded, gradient
from seewhy.imaging.maps import encode_npy
from seewhy.viewer.html_file import html_file

WIDTH_PX, HEIGHT_PX = 120, 90
COVERS = {"x": 15.0, "y": 0.0, "width": 90.0, "height": 90.0}
MAPS = np.stack(
    [
        np.linspace(-1, 2, 48, dtype=np.float32).reshape(6, 8),
        np.linspace(1.5, -0.5, 48, dtype=np.float32).reshape(6, 8),
        np.full((6, 8), -0.25, np.float32),
    ]
)
"""The maps of three targets, `(3, 6, 8)`."""


def target(index: int, label: str, **fields: Any) -> dict[str, Any]:
    """Return a target as the service writes it."""
    score = {"index": index, "label": label, "logit": 2.0, "probability": 0.5 / (index + 1)}
    empty = {"rivals": [], "against": False, "trust": None, "regions": None}
    return {"score": score, "verdict": "ok", "minimum": -1.0, "maximum": 2.0} | empty | fields


TARGETS = (
    target(0, "tiger cat"),
    target(1, "lynx"),
    target(2, "window screen", verdict="all_negative"),
)


def explanation(
    targets: Sequence[Mapping[str, Any]] = TARGETS,
    *,
    method: str = "gradcam",
    linear: bool = True,
    maps: NDArray[np.float32] = MAPS,
    others: Sequence[Mapping[str, Any]] = (),
    **fields: Any,
) -> dict[str, Any]:
    """Return a succeeded explanation as the service writes it."""
    result = {
        "model_digest": "0123456789abcdef0123", "method": method, "tried": [method],
        "layer": "block/top", "linear": linear, "targets": copy.deepcopy(list(targets)), "top": [],
        "map_height": maps.shape[1], "map_width": maps.shape[2], "covers": COVERS,
        "image_width_px": WIDTH_PX, "image_height_px": HEIGHT_PX, "other_maps": list(others),
        "versions": {"seewhy": "0.1.0"},
    }  # fmt: skip
    return {
        "id": "e1", "status": "succeeded", "model": "vgg16", "method": method,
        "metadata": {"patient": "secret-metadata"},
        "webhook": {"url": "https://example.com/secret-hook", "status": "pending"},
        "submitted_at": "2026-11-29T12:00:00Z", "finished_at": "2026-11-29T12:00:01Z",
        "links": {"self": "/secret-link"}, "result": result,
    } | fields  # fmt: skip


def other_maps(method: str, *, linear: bool) -> dict[str, Any]:
    """Return the maps of one more method, for the same targets."""
    return {
        "method": method, "layer": "block/mid", "linear": linear, "targets": list(TARGETS),
        "map_height": MAPS.shape[1], "map_width": MAPS.shape[2],
    }  # fmt: skip


def photo() -> bytes:
    """Return a photo as JPEG."""
    return encoded(gradient(WIDTH_PX, HEIGHT_PX), "JPEG")


def page(
    document: Mapping[str, Any] | None = None,
    *,
    maps: Sequence[NDArray[np.float32]] = (MAPS,),
    with_photo: bool = True,
    **view: Any,
) -> str:
    """Return the HTML file of an explanation; `view` is what it shows first."""
    return html_file(
        document or explanation(),
        maps=[encode_npy(each) for each in maps],
        photo=photo() if with_photo else None,
        view=view,
    )


def read_npy(body: bytes) -> Any:
    """Return the maps of a file, with NumPy's own reader."""
    return np.load(io.BytesIO(body), allow_pickle=False)
