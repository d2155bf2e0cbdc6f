"""Isolating failing images and reducing batches, by way of a worker."""

from collections.abc import Sequence

import pytest

from in_memory_worker import InMemoryWorker, job_ids
from seewhy.errors import OutOfMemory
from seewhy.schemas.job import JobState
from seewhy_worker.checkpoints.checkpoint import Checkpoint
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation

THIRD_FAILS = [
    (JobState.SUCCEEDED, None),
    (JobState.SUCCEEDED, None),
    (JobState.FAILED, "explainer_failed"),
    (JobState.SUCCEEDED, None),
]


def test_halving_a_failed_batch_isolates_the_failing_image(worker: InMemoryWorker) -> None:
    jobs = job_ids(4)
    worker.submit(*jobs)
    failing: list[ExplanationTask] = []

    def fail(tasks: Sequence[ExplanationTask]) -> None:
        failing[:] = failing or [tasks[2]]
        if any(task is failing[0] for task in tasks):
            raise ValueError("an image that this network cannot explain")

    worker.explainer.before_batch = fail
    worker.run()
    assert worker.explainer.batch_sizes == [4, 2, 2, 1, 1]
    assert worker.outcomes(jobs) == THIRD_FAILS
    assert worker.record(jobs[2]).error_detail == "the explainer failed on this image"


def test_only_the_image_without_an_explanation_fails(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = job_ids(4)
    worker.submit(*jobs)
    explain = worker.explainer.explain
    omitted: list[ExplanationTask] = []

    def omit_one(
        tasks: Sequence[ExplanationTask], *, checkpoint: Checkpoint
    ) -> list[ImageExplanation]:
        omitted[:] = omitted or [tasks[2]]
        explained = zip(tasks, explain(tasks, checkpoint=checkpoint), strict=True)
        return [explanation for task, explanation in explained if task is not omitted[0]]

    monkeypatch.setattr(worker.explainer, "explain", omit_one)
    assert worker.run() == len(jobs)
    assert worker.outcomes(jobs) == THIRD_FAILS


@pytest.mark.parametrize("error", [OutOfMemory("the device is full"), MemoryError()])
def test_running_out_of_memory_halves_batches_permanently(
    worker: InMemoryWorker, error: Exception
) -> None:
    jobs = job_ids(6)
    worker.submit(*jobs)

    def fail(tasks: Sequence[ExplanationTask]) -> None:
        if len(tasks) > 2:
            raise error

    worker.explainer.before_batch = fail
    worker.run()
    assert worker.explainer.batch_sizes == [4, 2, 2, 2]
    assert worker.outcomes(jobs) == [(JobState.SUCCEEDED, None)] * 6


def test_an_image_that_exceeds_memory_alone_is_retried_until_its_attempts_run_out(
    worker: InMemoryWorker,
) -> None:
    (job,) = job_ids(1)
    worker.submit(job)

    def fail(_: Sequence[ExplanationTask]) -> None:
        raise MemoryError

    worker.explainer.before_batch = fail
    for attempt in (1, 2, 3):
        worker.run()
        assert worker.record(job).attempts == attempt
        worker.advance()
    assert worker.outcome(job) == (JobState.FAILED, "out_of_memory")


@pytest.mark.parametrize("companions", [0, 3])
def test_an_image_that_exceeds_memory_alone_leaves_later_batches_as_large_as_before(
    worker: InMemoryWorker, companions: int
) -> None:
    first, later = job_ids(5 + companions)[:-4], job_ids(5 + companions)[-4:]
    too_large: list[ExplanationTask] = []

    def fail(tasks: Sequence[ExplanationTask]) -> None:
        too_large[:] = too_large or [tasks[0]]
        if any(task is too_large[0] for task in tasks):
            raise MemoryError

    worker.explainer.before_batch = fail
    worker.submit(*first)
    worker.run()
    worker.submit(*later)
    worker.run()
    assert worker.explainer.batch_sizes[-1] == 4
    assert worker.outcomes(later) == [(JobState.SUCCEEDED, None)] * 4
