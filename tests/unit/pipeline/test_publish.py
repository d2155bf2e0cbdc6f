"""What a worker writes to the object store and to the ledger."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from in_memory_worker import IMAGE_KEY, InMemoryWorker, job_ids
from optionals import present
from seewhy.client.responses import ExplanationResult
from seewhy.errors import UnsupportedModel
from seewhy.imaging import codecs
from seewhy.imaging.maps import decode_npy
from seewhy.ledger.types import Completion
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import JobState
from seewhy.schemas.regions import OutlinedRegion, Point
from seewhy.schemas.result import ClassScore, TargetResult, Verdict, map_object
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
    assert document["engine"] == "stub"


def test_a_result_names_every_engine_that_computed_one_of_its_maps(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = {"gradcam": ("fast 1.0",), "smoothgrad": ("fast 1.0", "slow 2.0")}
    explain = worker.explainer.explain

    def with_engines(
        tasks: Sequence[ExplanationTask], *, checkpoint: Checkpoint
    ) -> list[ImageExplanation]:
        found = explain(tasks, checkpoint=checkpoint)
        return [replace(one, engines=engines[one.method]) for one in found]

    monkeypatch.setattr(worker.explainer, "explain", with_engines)
    (job,) = job_ids(1)
    worker.submit(job, other_methods=("smoothgrad",))
    worker.run()
    assert worker.result(job).engine == "fast 1.0 and slow 2.0"


def test_a_result_says_how_long_each_stage_of_the_worker_took(worker: InMemoryWorker) -> None:
    (job,) = job_ids(1)
    worker.submit(job)
    worker.explainer.before_batch = lambda _: time.sleep(0.02)
    worker.run()
    timings_ms = worker.result(job).timings_ms
    assert set(timings_ms) == {"prepare", "device_wait", "explain", "render", "store"}
    assert timings_ms["explain"] >= 20
    assert all(ms >= 0 for ms in timings_ms.values())


def test_each_method_of_a_job_has_maps_of_its_own(worker: InMemoryWorker) -> None:
    several, single = job_ids(2)
    worker.submit(several, other_methods=("hirescam", "layercam"), targets=(2, 0))
    worker.submit(single)
    worker.run()
    result = worker.result(several)
    assert result.method == "gradcam"
    assert [other.method for other in result.other_maps] == ["hirescam", "layercam"]
    assert [target.score.index for target in result.other_maps[1].targets] == [2, 0]
    names = ("map", "map-1", "map-2")
    for name in names:
        assert decode_npy(worker.store.get(result.objects[name])).shape == (2, 7, 7)
    for name, method in zip(names, ("gradcam", "hirescam", "layercam"), strict=True):
        alone = result.maps_of(method, None)
        assert (alone.method, alone.objects["map"]) == (method, result.objects[name])
        assert alone.digests["map"] == result.digests[name]
    assert "overlay" not in alone.objects
    with pytest.raises(KeyError):
        result.maps_of("scorecam", None)
    assert worker.result(single).other_maps == ()


def test_each_method_has_maps_at_each_layer(worker: InMemoryWorker) -> None:
    (job,) = job_ids(1)
    worker.submit(
        job, layers=("backbone/a",), other_layers=((), ("b",)), other_methods=("hirescam",)
    )
    worker.run()
    result = worker.result(job)
    pairs = [(maps.method, maps.layer) for maps in result.map_sets]
    layers = ("backbone/a", "brightness", "b")
    assert pairs == [(method, layer) for method in ("gradcam", "hirescam") for layer in layers]
    for position, (method, layer) in enumerate(pairs):
        alone = result.maps_of(method, layer)
        assert (alone.method, alone.layer) == (method, layer)
        assert alone.objects["map"] == result.objects[map_object(position)]
        assert ("overlay" in alone.objects) == (position == 0)
    assert result.maps_of(None, "b") == result.maps_of("gradcam", "b")
    assert result.maps_of("hirescam", "a").layer == "backbone/a"
    for wanted in ((None, "c"), ("hirescam", "c"), ("layercam", "b"), (None, "")):
        with pytest.raises(KeyError):
            result.maps_of(*wanted)


def test_a_layer_is_not_named_by_an_end_that_two_paths_share(worker: InMemoryWorker) -> None:
    (job,) = job_ids(1)
    worker.submit(job, layers=("left/conv",), other_layers=(("right/conv",),))
    worker.run()
    assert worker.result(job).maps_of(None, "right/conv").objects["map"].endswith("map-1.npy")
    with pytest.raises(KeyError):
        worker.result(job).maps_of(None, "conv")


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


TO_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation → how an upright image is stored."""


@pytest.mark.parametrize("orientation", range(1, 9))
def test_regions_lie_on_the_upright_image(worker: InMemoryWorker, orientation: int) -> None:
    """The stub's map is the image: its brightest part is the region, however the file stores it."""
    upright = np.zeros((70, 140, 3), np.uint8)
    upright[10:20, 100:120] = 255
    file = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(upright)
    if orientation in TO_STORED:
        image = image.transpose(TO_STORED[orientation])
    image.save(file, "PNG", exif=exif.tobytes())
    worker.store.put(IMAGE_KEY, file.getvalue(), content_type="image/png")
    (job,) = job_ids(1)
    worker.submit(job, outputs=("regions",), threshold=0.5, image_width_px=140, image_height_px=70)
    worker.run()
    (target,) = worker.result(job).targets
    (region,) = present(target.regions)
    assert region.box == Rectangle(x=101, y=10, width=18, height=10)
    assert (region.peak, region.score) == (Point(x=110, y=15), 1)
    assert not isinstance(region, OutlinedRegion)


def test_regions_are_found_for_each_target_with_the_threshold_of_the_request(
    worker: InMemoryWorker,
) -> None:
    jobs = plain, low, high = job_ids(3)
    worker.submit(plain, targets=(2, 0))
    worker.submit(low, targets=(2, 0), outputs=("regions",), threshold="p30")
    worker.submit(high, targets=(2, 0), outputs=("regions",), threshold="p90")
    worker.run()
    targets = [worker.result(job).targets for job in jobs]
    assert [target.regions for target in targets[0]] == [None, None]
    low_px, high_px = (
        [region.area_px for target in found for region in present(target.regions)]
        for found in targets[1:]
    )
    assert len(low_px) == len(high_px) == 2
    assert min(low_px) > max(high_px) > 0
    document = json.loads(worker.store.get(f"results/{low}/1/result.json"))
    assert [len(target["regions"]) for target in document["targets"]] == [1, 1]
    client_view = ExplanationResult.model_validate(document)
    assert client_view.targets[0].regions == targets[1][0].regions


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


def test_a_job_fails_when_one_of_its_methods_does(worker: InMemoryWorker) -> None:
    several, single = job_ids(2)

    def refuse_hirescam(tasks: Sequence[ExplanationTask]) -> None:
        if any(task.options.method == "hirescam" for task in tasks):
            raise UnsupportedModel("no hirescam here")

    worker.explainer.before_batch = refuse_hirescam
    worker.submit(several, other_methods=("hirescam", "layercam"))
    worker.submit(single)
    worker.run()
    assert worker.outcomes([several, single]) == [
        (JobState.FAILED, UnsupportedModel.code),
        (JobState.SUCCEEDED, None),
    ]
