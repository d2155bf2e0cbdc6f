"""A crash is evidence against a quarantined job while code runs on its image, and only then."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from in_memory_worker import InMemoryWorker, job_ids
from seewhy.errors import LedgerUnavailable
from seewhy.imaging import codecs
from seewhy.schemas.job import JobState
from seewhy_worker.explain.types import ExplanationTask

LEASE_MS = 31_000


@pytest.fixture
def job(worker: InMemoryWorker) -> str:
    """A job that is ready in quarantine."""
    (job,) = job_ids(1)
    worker.submit(job)
    quarantine(worker)
    return job


def quarantine(worker: InMemoryWorker) -> None:
    """Claim the ready jobs as another worker, and lose it."""
    assert worker.ledger.claim(["m:interactive"], owner="dead", limit=8)
    worker.advance(LEASE_MS)


def record_exposure(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch, job: str
) -> list[tuple[str, bool]]:
    """Record at each step of a job whether it is exposed."""
    steps: list[tuple[str, bool]] = []

    def recording(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def record_and_run(*args: Any, **kwargs: Any) -> Any:
            steps.append((name, worker.record(job).exposed))
            return step(*args, **kwargs)

        return record_and_run

    for target, name in (
        (worker.store, "get"),
        (codecs, "decode"),
        (worker.explainer, "prepare"),
        (worker.explainer, "explain"),
        (codecs, "encode_jpeg"),
        (worker.store, "put"),
        (worker.ledger, "complete"),
    ):
        monkeypatch.setattr(target, name, recording(name, getattr(target, name)))
    return steps


def test_a_quarantined_job_is_exposed_from_decoding_to_rendering(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    steps = record_exposure(worker, monkeypatch, job)
    worker.run()
    exposed, not_exposed = (
        {name for name, seen in steps if seen is each} for each in (True, False)
    )
    assert exposed == {"decode", "prepare", "explain", "encode_jpeg"}
    assert not_exposed == {"get", "put", "complete"}


def test_a_job_that_is_not_quarantined_costs_no_call(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_exposed(*_: Any, **__: Any) -> bool:
        pytest.fail("the ledger was called")

    monkeypatch.setattr(worker.ledger, "set_exposed", set_exposed)
    (job,) = job_ids(1)
    worker.submit(job)
    worker.run()
    assert worker.outcome(job) == (JobState.SUCCEEDED, None)


def test_a_quarantined_job_does_not_run_unless_the_ledger_knows(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    def unavailable(*_: Any, **__: Any) -> bool:
        raise LedgerUnavailable("no answer")

    with monkeypatch.context() as outage:
        outage.setattr(worker.ledger, "set_exposed", unavailable)
        assert worker.run() == 1
    assert worker.explainer.batch_sizes == []
    record = worker.record(job)
    assert (record.state, record.attempts, record.crashes) == (JobState.QUEUED, 1, 1)
    worker.advance()
    worker.run()
    assert worker.outcome(job) == (JobState.SUCCEEDED, None)


def test_a_quarantined_job_whose_claim_is_lost_does_not_run(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    get = worker.store.get

    def lose_lease_then_get(key: str) -> bytes:
        worker.advance(LEASE_MS)
        return get(key)

    with monkeypatch.context() as slow:
        slow.setattr(worker.store, "get", lose_lease_then_get)
        worker.run()
    assert worker.explainer.batch_sizes == []
    assert worker.record(job).exposed_crashes == 0


def test_a_quarantined_job_waits_for_a_lost_batch_that_still_runs(worker: InMemoryWorker) -> None:
    """The lost batch could crash the process, and the quarantined job would be blamed."""
    jobs = job_ids(2)
    worker.submit(*jobs)
    seen: list[Sequence[int]] = []

    def lose_lease_and_claim(_: Sequence[ExplanationTask]) -> None:
        worker.explainer.before_batch = lambda _: None
        worker.advance(LEASE_MS)
        seen.append([worker.run(), *worker.explainer.batch_sizes])

    worker.explainer.before_batch = lose_lease_and_claim
    worker.run()
    assert seen == [[1, 2]], "one quarantined job was claimed, and only the lost batch has run"
    worker.advance()
    worker.run()
    assert worker.explainer.batch_sizes == [2, 1, 1]
    assert worker.outcomes(jobs) == [(JobState.SUCCEEDED, None)] * 2


def test_a_failed_report_of_the_end_does_not_fail_the_job(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    set_exposed = worker.ledger.set_exposed

    def begin_only(claim: Any, *, exposed: bool) -> bool:
        if not exposed:
            raise LedgerUnavailable("no answer")
        return set_exposed(claim, exposed=exposed)

    monkeypatch.setattr(worker.ledger, "set_exposed", begin_only)
    worker.run()
    record = worker.record(job)
    assert (record.state, record.exposed) == (JobState.SUCCEEDED, False)
