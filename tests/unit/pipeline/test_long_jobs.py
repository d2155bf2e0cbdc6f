"""Long jobs: they end at a checkpoint, and share the device with batches in turns."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from in_memory_worker import LANE, LONG_LANE, InMemoryWorker, job_ids
from seewhy.ledger.types import Claim, JobFailure
from seewhy.schemas.job import JobState
from servers.waiting import wait_until

CHUNKS = 1 + 513 // 64
SUCCEEDED = (JobState.SUCCEEDED, None)


class Chunks:
    """Counts the chunks of a worker's device and acts before one of them."""

    def __init__(self, worker: InMemoryWorker) -> None:
        self.count = 0
        self.act_at = -1
        self.act: Callable[[], object] = lambda: None
        worker.explainer.before_chunk = self._next

    def _next(self) -> None:
        self.count += 1
        if self.count == self.act_at:
            self.act()


@pytest.fixture
def chunks(worker: InMemoryWorker) -> Chunks:
    return Chunks(worker)


def submit_long(
    worker: InMemoryWorker, *jobs: str, lane: str = LONG_LANE, deadline_ms: int | None = None
) -> None:
    worker.submit(*jobs, lane=lane, deadline_ms=deadline_ms, method="scorecam")


def cancel(worker: InMemoryWorker, job: str) -> None:
    worker.ledger.cancel(job)
    worker.leases.renew()


def test_a_long_job_runs_in_many_chunks(worker: InMemoryWorker, chunks: Chunks) -> None:
    (job,) = job_ids(1)
    submit_long(worker, job)
    worker.run(LONG_LANE)
    assert worker.outcome(job) == SUCCEEDED
    assert chunks.count == CHUNKS


def test_a_cancelled_job_leaves_the_device_at_the_next_checkpoint(
    worker: InMemoryWorker, chunks: Chunks
) -> None:
    (job,) = job_ids(1)
    submit_long(worker, job)
    chunks.act_at, chunks.act = 3, lambda: cancel(worker, job)
    worker.run(LONG_LANE)
    assert worker.outcome(job) == (JobState.CANCELLED, None)
    assert chunks.count == 3


def test_a_job_past_its_deadline_leaves_the_device_at_the_next_checkpoint(
    worker: InMemoryWorker, chunks: Chunks
) -> None:
    (job,) = job_ids(1)
    submit_long(worker, job, deadline_ms=5_000)

    def pass_deadline() -> None:
        worker.now_ms += 6_000
        worker.leases.renew()

    chunks.act_at, chunks.act = 3, pass_deadline
    worker.run(LONG_LANE)
    assert worker.outcome(job) == (JobState.EXPIRED, None)
    assert chunks.count == 3


def test_a_job_that_another_worker_holds_leaves_the_device_and_reports_nothing(
    worker: InMemoryWorker, chunks: Chunks
) -> None:
    (job,) = job_ids(1)
    submit_long(worker, job)

    def lose() -> None:
        worker.advance(31_000)
        (other,) = worker.ledger.claim([LONG_LANE], owner="other", limit=1)
        worker.leases.renew()
        worker.ledger.fail([JobFailure(other, "bad_image", "as another worker says")])

    chunks.act_at, chunks.act = 3, lose
    worker.run(LONG_LANE)
    assert worker.outcome(job) == (JobState.FAILED, "bad_image")
    assert chunks.count == 3


def test_stopping_releases_a_long_job_uncharged_at_the_next_checkpoint(
    worker: InMemoryWorker, chunks: Chunks
) -> None:
    (job,) = job_ids(1)
    submit_long(worker, job)
    chunks.act_at, chunks.act = 3, worker.runner.stop
    assert worker.run(LONG_LANE) == 1
    assert worker.outcome(job) == (JobState.QUEUED, None)
    assert worker.record(job).attempts == 0
    assert chunks.count == 3


def test_the_others_of_a_batch_run_again_without_a_cancelled_job(
    worker: InMemoryWorker, chunks: Chunks
) -> None:
    """Their passes fit into a batch together, and there are checkpoints between them."""
    kept, cancelled = job_ids(2)
    worker.submit(kept, cancelled, targets=(-1, -2), outputs=("trust",))
    chunks.act_at, chunks.act = 1, lambda: cancel(worker, cancelled)
    worker.run()
    assert worker.explainer.batch_sizes == [2, 1]
    assert worker.outcomes([kept, cancelled]) == [SUCCEEDED, (JobState.CANCELLED, None)]


def test_the_short_jobs_of_a_batch_are_reported_before_a_long_one_starts(
    worker: InMemoryWorker, chunks: Chunks
) -> None:
    """Such a batch exists when the jobs were accepted under other settings."""
    long, *short = job_ids(4)
    submit_long(worker, long, lane=LANE)
    worker.submit(*short)
    states: list[list[JobState]] = []
    chunks.act_at, chunks.act = 2, lambda: states.append(worker.states([long, *short]))
    worker.run()
    assert states == [[JobState.RUNNING, *[JobState.SUCCEEDED] * 3]]
    assert worker.explainer.batch_sizes == [3, 1]
    assert worker.outcome(long) == SUCCEEDED


def test_short_jobs_finish_while_long_jobs_run(worker: InMemoryWorker, chunks: Chunks) -> None:
    """Two of three threads are woken for long jobs; one of them runs batches instead."""
    long, short = job_ids(11)[:3], job_ids(11)[3:]
    submit_long(worker, *long)
    on_device, go_on = threading.Event(), threading.Event()

    states_of_long: list[JobState] = []

    def hold() -> None:
        on_device.set()
        go_on.wait(60)

    def await_short_jobs() -> None:
        wait_until(
            lambda: worker.states(short) == [JobState.SUCCEEDED] * 8,
            what="the short jobs are finished while a long one is on the device",
        )
        states_of_long[:] = worker.states(long)

    chunks.act_at, chunks.act = 2, hold
    with ThreadPoolExecutor(3) as threads:
        runs = [threads.submit(worker.run, LONG_LANE)]
        assert on_device.wait(60)
        worker.submit(*short)
        runs += [threads.submit(worker.run, lane) for lane in (LONG_LANE, LANE)]
        wait_until(lambda: len(device_queue(worker)) == 3, what="two batches wait for the device")
        # The long job hands the device over to both batches, one chunk each.
        chunks.act_at, chunks.act = chunks.count + 3, await_short_jobs
        go_on.set()
        for run in runs:
            run.result(timeout=60)
    assert worker.outcomes([*long, *short]) == [SUCCEEDED] * 11
    assert states_of_long == [JobState.RUNNING, JobState.QUEUED, JobState.QUEUED]


def test_a_wakeup_while_the_last_claim_returns_is_not_lost(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread finds no place for long jobs, and the thread that has the place is done."""
    (job,) = job_ids(1)
    claim = worker.ledger.claim

    def claim_and_wake(lanes: Sequence[str], **options: Any) -> list[Claim]:
        claims = claim(lanes, **options)
        if LONG_LANE in lanes and worker.ledger.read(job) is None:
            submit_long(worker, job)
            with ThreadPoolExecutor(1) as threads:
                assert threads.submit(worker.run, LONG_LANE).result(timeout=60) == 0
        return claims

    monkeypatch.setattr(worker.ledger, "claim", claim_and_wake)
    worker.run(LONG_LANE)
    assert worker.outcome(job) == SUCCEEDED


def device_queue(worker: InMemoryWorker) -> list[object]:
    return list(worker.runner._deps.devices.snapshot()["m"].device._turns._queue)
