"""What a service answers about explanations and batches, for scripted servers."""

import json
from typing import Any

EXPLANATION_ID = "0199c1e2-0000-7000-8000-000000000001"
BATCH_ID = "0199c1e2-0000-7000-8000-000000000002"
SCORE = {"index": 282, "label": "tiger cat", "logit": 9.5, "probability": 0.41}
REGIONS = {
    "image_width_px": 40, "image_height_px": 24, "method": "gradcam", "map": 0,
    "covers": {"x": 0, "y": 0, "width": 40, "height": 24}, "target": SCORE, "verdict": "ok",
    "polarity": "positive", "rule": 0.15, "threshold": 0.3, "maximum": 2.0, "found": 1,
    "regions": [{
        "box": {"x": 10, "y": 2, "width": 3, "height": 4}, "area_px": 12,
        "peak": {"x": 11, "y": 4}, "score": 1.0, "share": 1.0,
        "contour": [[10, 2], [10, 6], [13, 6], [13, 2]],
    }],
}  # fmt: skip
"""The regions of a map of an image of 40 by 24 pixels."""


def explanation_document(status: str, **changes: Any) -> dict[str, Any]:
    """Return an explanation in a state."""
    path = f"/v1/explanations/{EXPLANATION_ID}"
    explanation = {
        "id": EXPLANATION_ID,
        "status": status,
        "model": "vgg16",
        "method": "gradcam",
        "priority": "interactive",
        "metadata": {"task": 7},
        "attempts": 1,
        "queue_position": None,
        "cancel_requested": False,
        "submitted_at": "2026-11-22T21:00:00.125Z",
        "started_at": None,
        "finished_at": None,
        "error": None,
        "result": None,
        "links": {"self": path, "cancel": f"{path}/cancel", "overlay": None, "map": None},
        "downloads": {},
    }
    return explanation | changes


def succeeded_document(**changes: Any) -> dict[str, Any]:
    """Return an explanation with a result of one target."""
    result = {
        "top": [SCORE],
        "targets": [{"score": SCORE, "verdict": "ok", "minimum": -0.5, "maximum": 2.0}],
        "model_digest": "sha256:0",
        "method": "gradcam",
        "layer": "block5_conv3",
        "linear": True,
        "map_height": 14,
        "map_width": 14,
        "covers": {"x": 0, "y": 0, "width": 640, "height": 480},
        "image_width_px": 640,
        "image_height_px": 480,
        "timings_ms": {"forward": 12.5},
        "versions": {"seewhy": "0.1.0"},
        "field_of_a_newer_service": 1,
    }
    return explanation_document("succeeded", result=result) | changes


def batch_document(status: str = "accepting", **counts: int) -> dict[str, Any]:
    """Return a batch in a state."""
    names = ("total", "waiting", "refused", "queued", "running")
    ends = ("succeeded", "failed", "cancelled", "expired")
    return {
        "id": BATCH_ID,
        "status": status,
        "counts": dict.fromkeys(names + ends, 0) | counts,
        "links": {"self": f"/v1/batches/{BATCH_ID}"},
    }


def result_line(index: int, status: str = "waiting", **fields: Any) -> bytes:
    """Return a line of the results of a batch."""
    line = {"index": index, "key": None, "status": status, **fields}
    return json.dumps(line).encode() + b"\n"
