"""Running lanes with the in-memory ledger and store."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import pytest

from in_memory_worker import InMemoryWorker, job_ids
from seewhy.errors import StoreUnavailable
from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.schemas.job import JobState
from seewhy.storage.keys import RESULT_DOCUMENT, result_key
from seewhy_worker.explain.types import ExplanationTask
from servers.waiting import wait_until

SUCCEEDED = (JobState.SUCCEEDED, None)


def unavailable(*_: object, **__: object) -> bytes:
    raise StoreUnavailable("the store does not answer")


def test_ready_jobs_run_in_batches_until_none_is_left(worker: InMemoryWorker) -> None:
    jobs = job_ids(6)
    worker.submit(*jobs)
    assert worker.run() == 6
    assert worker.explainer.batch_sizes == [4, 2]
    assert worker.outcomes(jobs) == [SUCCEEDED] * 6


def test_a_job_is_retried_when_the_store_is_unavailable(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = job_ids(1)
    worker.submit(job)
    with monkeypatch.context() as outage:
        outage.setattr(worker.store, "get", unavailable)
        worker.run()
    assert worker.outcome(job) == (JobState.QUEUED, None)
    worker.advance()
    worker.run()
    assert worker.outcome(job) == SUCCEEDED


@pytest.mark.parametrize("operation", ["get", "put"])
def test_an_outage_of_the_whole_store_costs_no_attempt(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    jobs = job_ids(6)
    worker.submit(*jobs)
    with monkeypatch.context() as outage:
        for name in (operation, "check"):
            outage.setattr(worker.store, name, unavailable)
        for _ in range(10):
            assert worker.run() == 4, "no second batch is claimed during an outage"
            worker.advance()
        assert worker.states(jobs) == [JobState.QUEUED] * 6
    worker.run()
    assert worker.outcomes(jobs) == [SUCCEEDED] * 6
    assert {worker.record(job).attempts for job in jobs} == {1}


def test_an_unreadable_object_in_a_working_store_costs_attempts(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = job_ids(1)
    worker.submit(job)
    monkeypatch.setattr(worker.store, "get", unavailable)
    for _ in range(3):
        worker.run()
        worker.advance()
    assert worker.outcome(job) == (JobState.FAILED, "store_unavailable")


def test_stopping_leaves_unclaimed_jobs_queued(worker: InMemoryWorker) -> None:
    jobs = job_ids(6)
    worker.submit(*jobs)
    worker.explainer.before_batch = lambda _: worker.runner.stop()
    worker.run()
    assert worker.states(jobs) == [JobState.SUCCEEDED] * 4 + [JobState.QUEUED] * 2
    assert worker.record(jobs[5]).attempts == 0


def test_stopping_releases_jobs_that_wait_for_a_busy_device(worker: InMemoryWorker) -> None:
    jobs = job_ids(8)
    worker.submit(*jobs)
    device_free = threading.Event()
    worker.explainer.before_batch = lambda _: device_free.wait(60)
    with ThreadPoolExecutor(2) as threads:
        first, second = (threads.submit(worker.run) for _ in range(2))
        wait_until(lambda: worker.explainer.batch_sizes == [4], what="one batch is on the device")
        wait_until(
            lambda: worker.states(jobs) == [JobState.RUNNING] * 8, what="the other batch waits"
        )
        worker.runner.stop()
        try:
            wait_until(
                lambda: JobState.QUEUED in worker.states(jobs),
                what="the waiting batch is released",
                limit_s=10,
            )
        finally:
            device_free.set()
        assert {first.result(), second.result()} == {4}
    records = [worker.record(job) for job in jobs]
    assert sorted((record.state, record.attempts) for record in records) == [
        *[(JobState.QUEUED, 0)] * 4,
        *[(JobState.SUCCEEDED, 1)] * 4,
    ]


def test_a_job_cancelled_during_its_fetch_is_not_explained(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, cancelled = job_ids(2)
    worker.submit(kept, cancelled)
    get = worker.store.get

    def cancel_then_get(key: str) -> bytes:
        worker.ledger.cancel(cancelled)
        worker.leases.renew()
        return get(key)

    monkeypatch.setattr(worker.store, "get", cancel_then_get)
    worker.run()
    assert worker.outcome(kept) == SUCCEEDED
    assert worker.outcome(cancelled) == (JobState.CANCELLED, None)
    assert worker.explainer.batch_sizes == [1]


def test_a_job_with_a_lost_lease_runs_again_and_keeps_the_second_result(
    worker: InMemoryWorker,
) -> None:
    (job,) = job_ids(1)
    worker.submit(job)

    def lose_lease(_: Sequence[ExplanationTask]) -> None:
        worker.advance(31_000)
        worker.explainer.before_batch = lambda _: None

    worker.explainer.before_batch = lose_lease
    assert worker.run() == 2, "the second claim follows the stale one"
    record = worker.record(job)
    assert (record.state, record.attempts, record.crashes) == (JobState.SUCCEEDED, 2, 1)
    assert worker.result(job).objects["map"] == f"results/{job}/2/map.npy"


def lose_success(worker: InMemoryWorker, job: str) -> str | None:
    """Run a job, then forget everything since it was accepted, as a replica that lagged."""
    worker.ledger.acquire_leadership("me", lease_ms=1_000)
    worker.ledger.set_epoch("e", owner="me")
    assert isinstance(worker.ledger, MemoryLedger)
    state = worker.ledger._state
    accepted = deepcopy((state.entries, state.due, state.virtual_time))
    worker.run()
    result = worker.record(job).result
    state.entries, state.due, state.virtual_time = accepted
    return result


def test_a_job_whose_success_was_lost_does_not_run_again(worker: InMemoryWorker) -> None:
    lost, new = job_ids(2)
    worker.submit(lost)
    result = lose_success(worker, lost)
    worker.advance(1_000)
    worker.submit(new)
    assert worker.run() == 2
    assert worker.explainer.batch_sizes == [1, 1], "each job has run once"
    assert worker.outcomes([lost, new]) == [SUCCEEDED] * 2
    record = worker.record(lost)
    assert (record.result, record.fence, record.attempts) == (result, 1, 1)


def test_a_lost_success_with_an_unreadable_result_runs_again(
    worker: InMemoryWorker,
) -> None:
    (lost,) = job_ids(1)
    worker.submit(lost)
    lose_success(worker, lost)
    worker.advance(1_000)
    key = result_key(lost, 1, RESULT_DOCUMENT)
    worker.store.put(key, b"{}", content_type="application/json")
    worker.run()
    assert worker.outcome(lost) == SUCCEEDED
    assert result_key(lost, 1, "map.npy") not in worker.result(lost).objects.values()
