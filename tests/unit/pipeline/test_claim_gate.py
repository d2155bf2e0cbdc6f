"""The claim gate: one thread claims at a time, when it is time, and none after the stop."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from in_memory_worker import LANE, LONG_LANE, InMemoryWorker, job_ids
from seewhy.errors import LedgerUnavailable
from seewhy.ledger.types import Claim
from seewhy.pacing import PacedBatch, Pacing
from seewhy.schemas.job import JobState
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.pipeline import batch_runner
from seewhy_worker.pipeline.claim_gate import ClaimGate

CLAIM = Claim("job", 1, 1, LANE, "{}")


class Waiting:
    """Two batches in a gate that knows no times yet, so that a third thread waits."""

    def __init__(self, gate: ClaimGate) -> None:
        self.gate, self.leave, self.stopping = gate, threading.Event(), threading.Event()
        self.held, self.found = threading.Semaphore(0), list[bool]()

    def hold(self) -> None:
        with self.gate.next_batch(lambda: [CLAIM], stopping=self.stopping) as batch:
            assert batch
            self.held.release()
            assert self.leave.wait(60)

    def wait(self) -> None:
        with self.gate.next_batch(lambda: [CLAIM], stopping=self.stopping) as batch:
            self.found.append(batch is not None)


def test_a_third_batch_waits_until_one_of_two_is_off_the_device() -> None:
    case = Waiting(ClaimGate())
    with ThreadPoolExecutor(3) as threads:
        runs = [threads.submit(case.hold) for _ in range(2)]
        assert all(case.held.acquire(timeout=60) for _ in range(2))
        runs.append(threads.submit(case.wait))
        with pytest.raises(TimeoutError):
            runs[-1].result(0.3)
        case.leave.set()
        for run in runs:
            run.result(60)
    assert case.found == [True]


def test_a_thread_that_waits_returns_at_the_stop_without_a_claim() -> None:
    case = Waiting(ClaimGate())
    with ThreadPoolExecutor(3) as threads:
        runs = [threads.submit(case.hold) for _ in range(2)]
        assert all(case.held.acquire(timeout=60) for _ in range(2))
        waiting = threads.submit(case.wait)
        case.stopping.set()
        waiting.result(60)
        assert case.found == [False]
        case.leave.set()
        for run in runs:
            run.result(60)


def test_the_gate_stays_open_after_a_claim_that_failed_or_found_nothing() -> None:
    gate, stopping = ClaimGate(), threading.Event()

    def fail() -> list[Claim]:
        raise LedgerUnavailable("away")

    with pytest.raises(LedgerUnavailable), gate.next_batch(fail, stopping=stopping):
        pass
    with gate.next_batch(list, stopping=stopping) as batch:
        assert batch is None
    with gate.next_batch(lambda: [CLAIM], stopping=stopping) as batch:
        assert batch


def test_a_long_job_starts_while_the_lane_of_the_others_never_empties(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every thread was woken for the others, and none of them is free for another wakeup."""
    monkeypatch.setattr(batch_runner, "LONG_JOBS_CHECK_S", 0.0)
    long, *jobs = job_ids(400)
    more = iter(jobs)

    def refill(tasks: Sequence[ExplanationTask]) -> None:
        if worker.record(long).state is not JobState.SUCCEEDED:
            worker.submit(*islice(more, len(tasks)))

    worker.submit(long, lane=LONG_LANE, method="scorecam")
    worker.submit(*islice(more, 20))
    worker.explainer.before_batch = refill
    with ThreadPoolExecutor(3) as threads:
        for run in [threads.submit(worker.run, LANE) for _ in range(3)]:
            run.result(timeout=60)
    assert worker.record(long).state is JobState.SUCCEEDED
    assert next(more, None) is not None


def test_a_job_in_quarantine_says_nothing_about_the_next_batches_of_the_gate(
    worker: InMemoryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be of another model than the batches of the gate."""
    learned: list[float | None] = []
    end = Pacing.end

    def record(
        pacing: Pacing, batch: PacedBatch, now_s: float, device_s: float | None = None
    ) -> None:
        if batch in pacing._batches:
            learned.append(device_s)
        end(pacing, batch, now_s, device_s)

    monkeypatch.setattr(Pacing, "end", record)
    first, second, quarantined = job_ids(3)
    for job in (first, second):  # the first one compiles
        worker.submit(job)
        worker.run()
    worker.submit(quarantined)
    assert worker.ledger.claim([LANE], owner="dead", limit=8)
    worker.advance(31_000)
    worker.run()
    assert worker.record(quarantined).state is JobState.SUCCEEDED
    assert [seconds is None for seconds in learned] == [True, False, True]
