"""A job that is open because the ledger lost its outcome, which the object store has."""

from dataclasses import replace
from pathlib import Path

import pytest

from ledger_harness import START_MS, LedgerHarness, read_job
from optionals import present
from seewhy.ledger.redis.client.connection import connect
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import Claim, Completion, DeliveryState, JobOutcome, Submission
from seewhy.schemas.job import JobState
from servers.valkey import start_valkey

LANE = "m:interactive"
SUCCESS = JobOutcome(JobState.SUCCEEDED, START_MS - 5, attempts=1, result="stored", fence=1)
FAILURE = JobOutcome(JobState.FAILED, START_MS, attempts=3, error_code="x", error_detail="y")


def submit(harness: LedgerHarness, job_id: str, **more: str) -> None:
    harness.ledger.submit(Submission(job_id, LANE, "text", **more))  # type: ignore[arg-type]


def claim(harness: LedgerHarness) -> list[Claim]:
    return harness.ledger.claim([LANE], owner="w", limit=10)


def mark_epoch(harness: LedgerHarness) -> None:
    harness.ledger.acquire_leadership("me", lease_ms=100)
    harness.ledger.set_epoch("e", owner="me")


@pytest.mark.parametrize("running", [False, True])
def test_an_open_job_takes_its_stored_outcome_and_cannot_run_any_more(
    harness: LedgerHarness, running: bool
) -> None:
    submit(harness, "a", webhook_url="https://hooks.test/x")
    claims = claim(harness) if running else []
    assert harness.ledger.restore_outcome("a", SUCCESS)
    record = read_job(harness.ledger, "a")
    assert (record.state, record.result, record.finished_ms) == (
        JobState.SUCCEEDED,
        "stored",
        START_MS - 5,
    )
    assert (record.fence, record.attempts, record.owner) == (1, 1, None)
    assert present(record.webhook).state is DeliveryState.PENDING
    assert claim(harness) == []
    assert harness.ledger.complete([Completion(c, "late") for c in claims]).applied == [
        False for _ in claims
    ]
    counts = harness.ledger.counts()
    assert (counts.drift, counts.non_terminal, counts.terminal) == (0, 0, {JobState.SUCCEEDED: 1})
    assert [event.state for event in harness.ledger.events(after="0", wait_ms=1)][-1] == "succeeded"


def test_duplicates_share_the_stored_outcome(harness: LedgerHarness) -> None:
    submit(harness, "a", fingerprint="f")
    submit(harness, "b", fingerprint="f")
    assert harness.ledger.restore_outcome("a", FAILURE)
    duplicate = read_job(harness.ledger, "b")
    assert (duplicate.state, duplicate.cached, duplicate.error_code) == (JobState.FAILED, True, "x")


def test_an_outcome_changes_no_finished_job_and_adds_none(harness: LedgerHarness) -> None:
    submit(harness, "a")
    assert harness.ledger.restore_outcome("a", FAILURE)
    before = read_job(harness.ledger, "a")
    assert not harness.ledger.restore_outcome("a", SUCCESS)
    assert read_job(harness.ledger, "a") == before
    assert not harness.ledger.restore_outcome("unknown", SUCCESS)
    assert harness.ledger.counts().accepted == 1


def test_an_outcome_past_its_retention_finishes_no_job(harness: LedgerHarness) -> None:
    submit(harness, "a")
    old = replace(SUCCESS, finished_ms=START_MS - 7 * 86_400_000)
    assert not harness.ledger.restore_outcome("a", old)
    assert read_job(harness.ledger, "a").state is JobState.QUEUED


def test_a_job_from_before_a_possible_loss_may_have_a_result(harness: LedgerHarness) -> None:
    submit(harness, "before")
    harness.advance(7)
    mark_epoch(harness)
    harness.advance(1)
    submit(harness, "after")
    before, after = claim(harness)
    assert (before.may_have_result, before.fence) == (True, START_MS + 8)
    assert (after.may_have_result, after.fence) == (False, 1)


def test_the_result_of_a_lost_claim_keeps_its_fence(harness: LedgerHarness) -> None:
    submit(harness, "a")
    mark_epoch(harness)
    (lost,) = claim(harness)
    assert harness.ledger.complete([Completion(lost, "stored", stored_fence=3)]).applied == [True]
    assert read_job(harness.ledger, "a").fence == 3


def test_a_claim_after_a_restart_and_before_the_rebuild_may_have_a_result(tmp_path: Path) -> None:
    with start_valkey(tmp_path) as server:
        ledger = RedisLedger(connect(server.url))
        ledger.acquire_leadership("me", lease_ms=10_000)
        ledger.set_epoch("e", owner="me")
        server.stop()
        server.start()
        ledger.submit(Submission("a", LANE, "text"))
        (taken,) = ledger.claim([LANE], owner="w", limit=10)
        assert taken.may_have_result
        assert taken.fence > START_MS // 2
