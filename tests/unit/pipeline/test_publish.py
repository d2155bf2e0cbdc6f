"""What a worker writes to the object store and to the ledger."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from in_memory_worker import IMAGE_KEY, InMemoryWorker, job_ids
from optionals import present
from seewhy.client.responses import ExplanationResult
from seewhy.imaging import codecs
from seewhy.imaging.maps import decode_npy
from seewhy.ledger.types import Completion
from seewhy.schemas.job import JobState
from seewhy.schemas.result import ClassScore, TargetResult, Verdict
from seewhy_worker.checkpoints.checkpoint import Checkpoint
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation


def test_every_object_is_stored_before_the_job_completes(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = job_ids(1)
    worker.submit(job, targets=(2, 0), metadata={"task": 7})
    stored: list[str] = []
    complete = worker.ledger.complete

    def record_keys(completions: Sequence[Completion]) -> object:
        stored.extend(worker.store.list_keys(f"results/{job}/"))
        return complete(completions)

    monkeypatch.setattr(worker.ledger, "complete", record_keys)
    worker.run()
    assert sorted(stored) == [
        f"results/{job}/1/{name}" for name in ("map.npy", "overlay.jpg", "result.json")
    ]
    result = worker.result(job)
    assert decode_npy(worker.store.get(result.objects["map"])).shape == (2, 7, 7)
    assert [target.score.index for target in result.targets] == [2, 0]
    assert (result.image_width_px, result.image_height_px) == (451, 300)
    document = json.loads(worker.store.get(result.objects["result"]))
    assert document["job_id"] == job
    assert document["metadata"] == {"task": 7}
    assert document["versions"] == {"seewhy": "test"}


def test_the_preset_classic_changes_the_overlay(worker: InMemoryWorker) -> None:
    plain, other_method, classic = jobs = job_ids(3)
    worker.submit(plain)
    worker.submit(other_method, method="hirescam")
    worker.submit(classic, method="classic", score="probability", preset="classic")
    worker.run()
    results = [worker.result(job) for job in jobs]
    assert [result.method for result in results] == ["gradcam", "hirescam", "classic"]
    overlays = [worker.store.get(result.objects["overlay"]) for result in results]
    assert overlays[0] == overlays[1] != overlays[2]


def test_a_fixed_scale_applies_to_the_overlay(worker: InMemoryWorker) -> None:
    """The stub's brightness reaches 255, near the image's own scale and far below 1e6."""
    jobs = job_ids(2)
    for job, normalize in zip(jobs, ("none", 1e6), strict=True):
        worker.submit(job, normalize=normalize)
    worker.run()
    strong, faint = (
        codecs.decode(worker.store.get(f"results/{job}/1/overlay.jpg"), max_pixels=1_000_000)
        for job in jobs
    )
    image = codecs.decode(worker.store.get(IMAGE_KEY), max_pixels=1_000_000).astype(int)
    assert np.abs(faint - image).mean() < 5 < np.abs(strong - image).mean()


def test_a_job_without_outputs_has_no_overlay(worker: InMemoryWorker) -> None:
    (job,) = job_ids(1)
    worker.submit(job, outputs=())
    worker.run()
    assert sorted(worker.store.list_keys(f"results/{job}/")) == [
        f"results/{job}/1/map.npy",
        f"results/{job}/1/result.json",
    ]


def test_non_finite_numbers_are_null_in_json_and_nan_in_the_client(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = job_ids(1)
    worker.submit(job)
    explain = worker.explainer.explain

    def explain_as_nan(
        tasks: Sequence[ExplanationTask], *, checkpoint: Checkpoint
    ) -> list[ImageExplanation]:
        (explanation,) = explain(tasks, checkpoint=checkpoint)
        score = ClassScore(index=0, label="0", logit=math.nan, probability=math.nan)
        target = TargetResult(
            score=score, verdict=Verdict.NOT_FINITE, minimum=math.nan, maximum=math.inf
        )
        maps = np.full_like(explanation.maps, np.nan)
        return [replace(explanation, maps=maps, targets=(target,), top=(score,))]

    monkeypatch.setattr(worker.explainer, "explain", explain_as_nan)
    worker.run()
    assert worker.outcome(job) == (JobState.SUCCEEDED, None)
    text = present(worker.record(job).result)
    assert json.loads(text, parse_constant=pytest.fail)["targets"][0]["verdict"] == "not_finite"
    (target,) = ExplanationResult.model_validate_json(text).targets
    assert math.isnan(target.score.logit)
    assert math.isnan(target.maximum)
