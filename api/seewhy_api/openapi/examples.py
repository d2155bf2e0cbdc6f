"""Texts and examples of the OpenAPI document. Tests check the examples against the schemas."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

EXAMPLE_ID = "0199690f-7fae-7c21-9d3e-3a1b5a0c9d11"

DESCRIPTION = """\
Why did the model say that? Send an image; a worker that keeps a network loaded explains it with
Grad-CAM or a related method. Wait for the outcome (`wait`), poll, stream events, or name a webhook.

Errors are problem details (RFC 9457) with a stable `code`. After 503, 429 and 409, `Retry-After`
says when to try again. With `Idempotency-Key`, a submission can be repeated safely.

Send an API key as `Authorization: Bearer KEY`. On a loopback address, no key is needed until one
exists. The names in an operation's security requirement are the scopes that the key needs.
"""

TAGS = {
    "explanations": "Submit images and follow their explanations.",
    "batches": "Submit many images at once and follow them together.",
    "results": "Maps, images drawn from them, and their regions.",
    "catalog": "The models, and the methods of each.",
    "label-studio": "The ML backend of Label Studio.",
    "keys": "API keys, for keys with the scope `admin`.",
    "service": "The state and the description of the service.",
}
"""Tag → description, in the order of a reference."""

SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "An API key as the password, for clients that cannot send Bearer.",
    },
}

SMALL_PNG_BASE64 = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mM8UaHBgA0wMeAAg1MCAB4nAXgllso1AAAAAElF"
    "TkSuQmCC"
)
"""An image of 8 by 8 pixels."""

IMAGE_ID = "4ac6c0b9a1a8e92e60f1d7dde0e45f4e14f3e27dd3b8ab6e5b3d2f3e9c1b7a55"

BATCH_ITEMS = f'{{"key": "tile-1", "image_base64": "{SMALL_PNG_BASE64}"}}\n'

IMAGE_FOLDER: dict[str, Any] = {"image_prefix": "s3://photos/2026/", "targets": "top:3"}

_PATH = f"/v1/explanations/{EXAMPLE_ID}"
_SCORE = {"index": 282, "label": "tiger cat", "logit": 9.5, "probability": 0.41, "value": None}

QUEUED: dict[str, Any] = {
    "id": EXAMPLE_ID,
    "status": "queued",
    "model": "vgg16",
    "method": "gradcam",
    "inputs": {},
    "priority": "interactive",
    "metadata": {"task": 7},
    "attempts": 0,
    "image_id": IMAGE_ID,
    "cached": False,
    "queue_position": 3,
    "eta_s": {"p50": 0.9, "p90": 1.4},
    "workers": {"count": 2, "last_seen_at": "2026-09-21T14:13:20.000Z"},
    "warnings": [],
    "cancel_requested": False,
    "submitted_at": "2026-09-21T14:13:20.000Z",
    "started_at": None,
    "finished_at": None,
    "error": None,
    "result": None,
    "webhook": None,
    "links": {
        "self": _PATH,
        "events": f"{_PATH}/events",
        "cancel": f"{_PATH}/cancel",
        **dict.fromkeys(("overlay", "map", "regions")),
    },
    "downloads": {},
}

SUCCEEDED: dict[str, Any] = {
    **QUEUED,
    "status": "succeeded",
    "attempts": 1,
    "queue_position": None,
    "eta_s": None,
    "workers": None,
    "started_at": "2026-09-21T14:13:20.100Z",
    "finished_at": "2026-09-21T14:13:21.234Z",
    "result": {
        "model_digest": "md5:e8b7a1a3",
        "method": "gradcam",
        "tried": ["gradcam"],
        "score": "logit",
        "layer": "block5_conv3",
        "linear": True,
        "targets": [
            {
                "score": _SCORE,
                "verdict": "ok",
                "minimum": -0.5,
                "maximum": 2.0,
                "rivals": [],
                "against": False,
                "trust": None,
                "regions": None,
                "border_share": 0.31,
                "overlap": None,
            }
        ],
        "top": [_SCORE],
        "map_height": 14,
        "map_width": 14,
        "stride_px": 16,
        "receptive_field_px": 196,
        "covers": {"x": 0, "y": 0, "width": 451, "height": 300},
        "image_width_px": 451,
        "image_height_px": 300,
        "structure": 0.71,
        "engine": "openvino 2026.4.1 float32",
        "timings_ms": {"explain": 203.1},
        "versions": {"seewhy": "0.1.0"},
    },
    "links": {
        **QUEUED["links"],
        "cancel": None,
        "overlay": f"{_PATH}/overlay",
        "map": f"{_PATH}/map.npy",
        "regions": f"{_PATH}/regions",
    },
}

BASE64_IMAGE: dict[str, Any] = {"image_base64": SMALL_PNG_BASE64}
BASE64_SUBMISSION: dict[str, Any] = {**BASE64_IMAGE, "targets": "top:3"}

REGIONS: dict[str, Any] = {
    "image_width_px": 451,
    "image_height_px": 300,
    "covers": {"x": 0, "y": 0, "width": 451, "height": 300},
    "method": "gradcam",
    "layer": "block5_conv3",
    "map": 0,
    "target": _SCORE,
    "verdict": "ok",
    "polarity": "positive",
    "rule": 0.15,
    "threshold": 0.3,
    "maximum": 2.0,
    "found": 1,
    "regions": [
        {
            "box": {"x": 120, "y": 60, "width": 200, "height": 180},
            "area_px": 36_000,
            "peak": {"x": 201.3, "y": 139.3},
            "score": 1.0,
            "share": 0.82,
            "contour": [[120, 60], [120, 240], [320, 240], [320, 60]],
            "holes": [],
        }
    ],
}

_BATCH_PATH = f"/v1/batches/{EXAMPLE_ID}"
ACCEPTING: dict[str, Any] = {
    "id": EXAMPLE_ID,
    "status": "accepting",
    "error": None,
    "counts": {
        "total": 3,
        "waiting": 2,
        "refused": 1,
        "queued": 0,
        "running": 0,
        "succeeded": 0,
        "failed": 0,
        "cancelled": 0,
        "expired": 0,
    },
    "cancel_requested": False,
    "eta_s": None,
    "created_at": "2026-09-21T14:13:20.000Z",
    "accepted_at": None,
    "finished_at": None,
    "retry_of": None,
    "retries": 0,
    "webhook": None,
    "links": {
        "self": _BATCH_PATH,
        "results": f"{_BATCH_PATH}/results",
        "overlays": f"{_BATCH_PATH}/overlays.zip",
        "events": f"{_BATCH_PATH}/events",
        "cancel": f"{_BATCH_PATH}/cancel",
        "retry": None,
    },
    "refused": [
        {
            "index": 2,
            "key": "text",
            "code": "unsupported_image",
            "detail": "The content is not JPEG, PNG or WebP.",
        }
    ],
}

EXPLANATION_MESSAGE: dict[str, Any] = {
    "type": "explanation.succeeded",
    "timestamp": SUCCEEDED["finished_at"],
    "data": {
        **{name: SUCCEEDED[name] for name in ("id", "status", "model", "method", "priority")},
        **{name: SUCCEEDED[name] for name in ("metadata", "attempts", "error")},
        **{name: SUCCEEDED[name] for name in ("submitted_at", "finished_at")},
        "links": {"self": _PATH},
    },
}
BATCH_MESSAGE: dict[str, Any] = {
    "type": "batch.finished",
    "timestamp": "2026-09-21T14:15:02.345Z",
    "data": {
        "id": EXAMPLE_ID,
        "status": "finished",
        "error": None,
        "counts": {**ACCEPTING["counts"], "waiting": 0, "succeeded": 2},
        "created_at": ACCEPTING["created_at"],
        "accepted_at": "2026-09-21T14:13:20.900Z",
        "finished_at": "2026-09-21T14:15:02.345Z",
        "retry_of": None,
        "retries": 0,
        "links": {**ACCEPTING["links"], "cancel": None},
    },
}

AGREEMENT: dict[str, Any] = {
    "explanation": EXAMPLE_ID,
    "project": 4,
    "task": 7,
    "annotation": 2,
    "annotated_at": "2026-09-21T14:13:20Z",
    "model": "vgg16",
    "method": "gradcam",
    "layer": "block5_conv3",
    "threshold": "0.15",
    "target": _SCORE,
    "is_predicted": True,
    "agreement": {
        "pointing_hit": False,
        "energy_inside": 0.08,
        "coverage": 0.22,
        "iou": 0.03,
    },
}
AGREEMENTS: dict[str, Any] = {"agreements": [AGREEMENT], "found": 120, "is_complete": True}
SUMMARIES: dict[str, Any] = {
    "summaries": [
        {
            "id": EXAMPLE_ID,
            "key": None,
            "status": "succeeded",
            "model": "vgg16",
            "method": "gradcam",
            "submitted_at": "2026-09-21T14:13:20.000Z",
            "error": None,
            "target": _SCORE,
            "answer": _SCORE,
            "margin": 0.31,
            "verdict": "ok",
            "trust": None,
            "suspicion": {
                "score": 2.9,
                "parts": [
                    {
                        "reason": "border",
                        "score": 2.9,
                        "value": 0.7,
                        "words": "70 % of the evidence is at the border",
                    }
                ],
            },
        }
    ],
    "next": EXAMPLE_ID,
}

RESPONSES: Mapping[str, Any] = MappingProxyType(
    {
        "queued": QUEUED,
        "succeeded": SUCCEEDED,
        "regions": REGIONS,
        "accepting": ACCEPTING,
        "agreement": AGREEMENT,
        "agreements": AGREEMENTS,
        "summaries": SUMMARIES,
    }
)
"""Name → the body of a response."""
