"""What a worker learns of its device from the jobs that it ran."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from in_memory_worker import LANE, InMemoryWorker, job_ids
from seewhy.errors import ExplainerFailed, LedgerUnavailable
from seewhy.ledger.types import (
    HANDLING,
    PASS_COST,
    Completion,
    FinishReceipt,
    WorkerDetails,
    load_of,
)
from seewhy.schemas.geometry import Rectangle
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.targets import Target
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation, PreparedImage
from seewhy_worker.pipeline.measurements import Measurements, Outcome
from seewhy_worker.pipeline.presence import Presence, ServedModels

IMAGE = PreparedImage(np.zeros((1, 1, 3), np.float32), Rectangle(x=0, y=0, width=1, height=1))


def task(method: str, targets: int = 1, **options: Any) -> ExplanationTask:
    return ExplanationTask.create(IMAGE, range(targets), MethodOptions(method=method, **options))


def explained(body: str = "computed", tried: tuple[str, ...] = ("gradcam",)) -> ImageExplanation:
    return ImageExplanation(
        maps=np.zeros((1, 1, 1), np.float32), targets=(), top=(), covers=IMAGE.covers,
        tried=tried, method=tried[0], layer="", linear=True, body=body,  # type: ignore[arg-type]
    )  # fmt: skip


def values(measurements: Measurements) -> dict[str, tuple[float, ...]]:
    return {each.name: each.values for each in measurements.take()}


def add(
    measurements: Measurements, *tasks: ExplanationTask, ms: float, outcome: Outcome | None = None
) -> bool:
    outcomes = [outcome or explained()] * len(tasks)
    return measurements.add_explained("m", tasks, outcomes, device_ms=ms).complete


def test_the_time_of_a_batch_is_that_of_its_images() -> None:
    measurements = Measurements()
    for ms in (900.0, 80.0):
        assert add(measurements, *[task("gradcam")] * 4, ms=ms)
    assert values(measurements) == {"gradcam": (20.0,) * 4}, "the first batch compiled the head"


def test_the_time_of_many_targets_is_that_of_one() -> None:
    measurements = Measurements()
    add(measurements, task("smoothgrad", targets=3), ms=1_800)
    assert values(measurements) == {"smoothgrad": (600.0,)}


def test_a_fallback_that_did_not_run_is_not_counted() -> None:
    measurements = Measurements()
    for _ in range(2):
        assert add(measurements, task("gradcam", fallback=("faster-scorecam",)), ms=20)
    assert values(measurements) == {"gradcam": (20.0,)}


def test_a_chosen_layer_is_not_measured() -> None:
    measurements = Measurements()
    for _ in range(2):
        assert add(measurements, task("gradcam", layers=("x",)), ms=20)
    assert values(measurements) == {}


@pytest.mark.parametrize(
    "other",
    [
        task("gradcam", targets=3),
        task("gradcam", score="probability"),
        ExplanationTask.create(IMAGE, [Target(index=0, rivals=(1,))]),
    ],
    ids=["targets", "score", "rivals"],
)
def test_what_is_compiled_anew_is_not_measured(other: ExplanationTask) -> None:
    measurements = Measurements()
    for ms in (900, 20):
        add(measurements, task("gradcam"), ms=ms)
    for ms in (900, 40):
        add(measurements, other, ms=ms)
    assert values(measurements) == {"gradcam": (20.0, 40.0)}


def test_a_long_job_is_measured_at_once() -> None:
    measurements = Measurements()
    add(measurements, task("scorecam"), task("gradcam"), ms=51_400)
    assert values(measurements) == {"scorecam": (51_300.0,)}, "a hundredth of it is the other's"


def test_a_batch_of_several_methods_is_not_measured() -> None:
    measurements = Measurements()
    assert add(measurements, task("smoothgrad"), task("integrated-gradients"), ms=900)
    assert values(measurements) == {}


@pytest.mark.parametrize(
    "outcome",
    [
        explained(body="cached"),
        explained(tried=("gradcam", "scorecam")),
        ExplainerFailed("broken"),
    ],
    ids=["kept activation", "fallback", "error"],
)
def test_what_was_not_computed_as_requested_is_not_measured(outcome: Outcome) -> None:
    measurements = Measurements()
    assert not add(measurements, task("scorecam"), ms=10, outcome=outcome)
    assert values(measurements) == {}


def test_a_batch_costs_its_device_time_in_passes() -> None:
    measurements = Measurements()
    measurements.add("m", "gradcam", 20.0)
    outcomes = [explained()] * 2
    for ms, cost in ((900.0, None), (60.0, 3_000)):
        tasks = [task("gradcam"), task("gradcam", targets=3)]
        measured = measurements.add_explained("m", tasks, outcomes, device_ms=ms)
        assert measured.cost == cost, "the first batch compiled"
    assert add(measurements, task("smoothgrad"), ms=600)


def test_a_job_reports_what_it_cost(worker: InMemoryWorker) -> None:
    worker.measurements.add("m", "gradcam", 1.0)
    worker.explainer.before_chunk = lambda: time.sleep(0.02)
    reported = list[int | None]()
    complete = worker.ledger.complete

    def record(completions: Sequence[Completion]) -> FinishReceipt:
        reported.extend(done.cost for done in completions)
        return complete(completions)

    worker.ledger.complete = record  # type: ignore[method-assign]
    worker.submit(*job_ids(2), method="smoothgrad")
    worker.run(LANE)
    assert len(reported) == 2
    assert all(cost and cost >= 10 * PASS_COST for cost in reported)


def test_the_load_is_busy_time_in_multiples_of_device_time() -> None:
    now_s = [0.0]
    measurements = Measurements(clock=lambda: now_s[0])
    with (
        measurements.group("m", long=False, more_waited=True) as first,
        measurements.group("m", long=False, more_waited=True) as second,
    ):
        first.device_s = second.device_s = 0.5
        now_s[0] += 2
    assert values(measurements)[load_of(long=False)] == (4.0,)


def test_the_load_is_not_measured_while_long_jobs_share_the_device() -> None:
    now_s = [0.0]
    measurements = Measurements(clock=lambda: now_s[0])
    with measurements.group("m", long=True, more_waited=True) as long_job:
        with measurements.group("m", long=False, more_waited=True) as group:
            long_job.device_s = group.device_s = 2.0
            now_s[0] += 4
        now_s[0] += 1
    assert list(values(measurements)) == [HANDLING]


def test_an_idle_worker_does_not_measure_its_load() -> None:
    now_s = [0.0]
    measurements = Measurements(clock=lambda: now_s[0])
    with measurements.group("m", long=False, more_waited=False) as group:
        group.device_s = 0.5
        now_s[0] += 2
    assert list(values(measurements)) == [HANDLING]


def test_a_worker_measures_its_jobs(worker: InMemoryWorker) -> None:
    worker.submit(*job_ids(8))
    assert worker.run(LANE) == 8
    assert {"gradcam", HANDLING} <= set(values(worker.measurements))


def test_measurements_that_cannot_be_reported_are_kept(worker: InMemoryWorker) -> None:
    measurements = Measurements()
    measurements.add("m", "gradcam", 5.0)

    class Registry:
        def register(self, *_: object, **__: object) -> None:
            raise LedgerUnavailable("down")

    def presence(registry: object) -> Presence:
        return Presence(
            registry=registry,  # type: ignore[arg-type]
            worker_id="w", device="cpu", measurements=measurements, lease_s=30,
            models=lambda: ServedModels(loaded=("m",)), details=lambda _: WorkerDetails(),
        )  # fmt: skip

    with pytest.raises(LedgerUnavailable):
        presence(Registry()).register()
    measurements.add("m", "gradcam", 6.0)
    presence(worker.ledger.workers).register()
    assert worker.ledger.workers.device_times() == {"m": {"cpu": {"gradcam": (5.0, 6.0)}}}
    assert measurements.take() == []
