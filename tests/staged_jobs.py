"""Jobs of a model without a worker, ended by a test."""

from collections.abc import Iterator, Sequence

import numpy as np

from seewhy.ids import new_job_id
from seewhy.imaging import maps
from seewhy.imaging.arrays import MapArray
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import Claim, Completion, JobFailure, lanes_of
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.result import ClassScore, Result, TargetResult, Verdict
from seewhy.schemas.trust_scores import TrustScores
from seewhy.settings import Settings
from seewhy.storage.keys import result_key
from seewhy.storage.obstore_adapter import open_store

WIDTH_PX, HEIGHT_PX = 451, 300
"""The size of the photo of a cat."""


def hot_cell(row: int, column: int, *, cells: int = 14) -> MapArray:
    """Return a map with evidence around one cell, and a little against the class elsewhere."""
    rows, columns = np.mgrid[:cells, :cells]
    distances = (rows - row) ** 2 + (columns - column) ** 2
    values: MapArray = (np.exp(-distances / 8) - 0.05).astype(np.float32)
    return values


HOT = hot_cell(5, 9)
"""A map with its evidence in the upper right."""


def a_target(
    label: str,
    map_: MapArray,
    *,
    index: int = 0,
    probability: float = 0.5,
    verdict: Verdict = Verdict.OK,
    trust: TrustScores | None = None,
) -> TargetResult:
    """Return the target of a map."""
    logit = float(np.log(probability / (1 - probability)))
    return TargetResult(
        score=ClassScore(index=index, label=label, logit=logit, probability=probability),
        verdict=verdict,
        minimum=float(map_.min()),
        maximum=float(map_.max()),
        trust=trust,
    )


def claim_jobs(settings: Settings, model: str) -> Iterator[Claim]:
    """Claim the waiting jobs of a model one after the other, each as a worker of its own."""
    ledger = open_ledger(settings)
    while claims := ledger.claim(lanes_of(model), owner=new_job_id(), limit=1):
        yield from claims


def fail_job(settings: Settings, claim: Claim, *, code: str, detail: str) -> None:
    """End a job with an error."""
    failed = open_ledger(settings).fail([JobFailure(claim, code, detail)])
    assert failed.applied == [True]


def complete_job(
    settings: Settings,
    claim: Claim,
    *,
    model: str,
    targets: Sequence[TargetResult],
    arrays: Sequence[MapArray],
    linear: bool = True,
) -> None:
    """End a job with one map for each target; each map covers the photo of a cat."""
    key = result_key(claim.job_id, claim.fence, "map.npy")
    body = maps.encode_npy(np.stack(arrays))
    open_store(settings).put(key, body, content_type="application/octet-stream")
    map_height, map_width = arrays[0].shape
    result = Result(
        model=model,
        model_digest="d",
        method="gradcam" if linear else "gradcam++",
        layer="block5_conv3",
        linear=linear,
        targets=tuple(targets),
        top=tuple(target.score for target in targets),
        map_height=map_height,
        map_width=map_width,
        covers=Rectangle(x=0, y=0, width=WIDTH_PX, height=HEIGHT_PX),
        image_width_px=WIDTH_PX,
        image_height_px=HEIGHT_PX,
        objects={"map": key},
        digests={},
        timings_ms={"explain": 41.5},
        versions={"seewhy": "test"},
    )
    completed = open_ledger(settings).complete([Completion(claim, result.model_dump_json())])
    assert completed.applied == [True]
