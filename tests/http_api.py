"""Requests to an API under test, checks of its responses, and jobs finished without a worker."""

import io
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from seewhy.imaging import maps
from seewhy.imaging.arrays import MapArray
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import Completion, JobFailure, lanes_of
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.result import (
    ClassScore,
    OtherMaps,
    Result,
    TargetResult,
    Verdict,
    map_object,
)
from seewhy.settings import Settings
from seewhy.storage.keys import result_key
from seewhy.storage.obstore_adapter import open_store

MODEL = "efficientnet-lite0"


def submit_image(
    client: FlaskClient, image: bytes, *, name: str = "a.jpg", headers: Any = None, **fields: Any
) -> TestResponse:
    """Submit an explanation as multipart; `fields` are the explanation request."""
    form: dict[str, Any] = {"image": (io.BytesIO(image), name)}
    if fields:
        form["request"] = json.dumps(fields)
    return client.post("/v1/explanations", data=form, headers=headers or {})


def assert_problem(response: TestResponse, status: int, code: str) -> str:
    """Check an error response and return its detail."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    problem: dict[str, Any] = response.get_json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert "Traceback" not in response.get_data(as_text=True)
    detail: str = problem["detail"]
    return detail


def stored_keys(settings: Settings) -> list[str]:
    """List the keys of images, manifests and results in the store."""
    store = open_store(settings)
    return sorted(
        key for prefix in ("images/", "jobs/", "results/") for key in store.list_keys(prefix)
    )


def fail_next_job(settings: Settings, *, model: str = MODEL) -> str:
    """Claim the next job and fail it for good, as a worker would; return its id."""
    ledger = open_ledger(settings)
    (claim,) = ledger.claim(lanes_of(model), owner="test", limit=1)
    assert ledger.fail([JobFailure(claim, "explainer_failed", "It was a test.")]).applied == [True]
    return claim.job_id


MAP = np.linspace(-1, 1, 49, dtype=np.float32).reshape(1, 7, 7)


COVERS = Rectangle(x=100, y=0, width=300, height=300)


LABELS = ("tiger cat", "Persian cat")
"""The classes 282 and 283 of the model."""


def finish_next_job(
    settings: Settings,
    *,
    map_: MapArray = MAP,
    others: Mapping[str | tuple[str, str], MapArray] = MappingProxyType({}),
    covers: Rectangle = COVERS,
    width_px: int = 451,
    height_px: int = 300,
    probability: float = 0.5,
) -> None:
    """Claim the next job and complete it with maps, as a worker would.

    `map_` is that of Grad-CAM at the layer `l`, `(targets, map_height, map_width)`, for the first
    of `LABELS`, which all have `probability`; `others` are those of other methods there, or of a
    method at a layer.
    """
    ledger, store = open_ledger(settings), open_store(settings)
    (claim,) = ledger.claim(lanes_of(MODEL), owner="test", limit=1)
    keys = {}
    for position, array in enumerate((map_, *others.values())):
        name = map_object(position)
        keys[name] = result_key(claim.job_id, claim.fence, f"{name}.npy")
        store.put(keys[name], maps.encode_npy(array), content_type="application/octet-stream")
    scores = [
        ClassScore(index=282 + number, label=label, logit=1.0, probability=probability)
        for number, label in enumerate(LABELS[: len(map_)])
    ]
    targets = tuple(
        TargetResult(score=score, verdict=Verdict.OK, minimum=-1, maximum=1) for score in scores
    )
    result = Result(
        model=MODEL,
        model_digest="d",
        method="gradcam",
        layer="l",
        linear=True,
        targets=targets,
        top=tuple(scores),
        map_height=map_.shape[1],
        map_width=map_.shape[2],
        covers=covers,
        image_width_px=width_px,
        image_height_px=height_px,
        other_maps=tuple(
            OtherMaps(
                method=name if isinstance(name, str) else name[0],
                layer="l" if isinstance(name, str) else name[1],
                linear=False,
                targets=targets,
                map_height=array.shape[1],
                map_width=array.shape[2],
            )
            for name, array in others.items()
        ),
        objects=keys,
        digests={},
        timings_ms={},
        versions={},
    )
    assert ledger.complete([Completion(claim, result.model_dump_json())]).applied == [True]
