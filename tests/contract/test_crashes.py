"""The contract of every ledger on crashes: in memory, on Valkey and on Redis."""

from collections.abc import Iterator

import pytest

from ledger_harness import (
    POLICY,
    LedgerHarness,
    MemoryHarness,
    RedisHarness,
    queue_position,
    read_job,
)
from seewhy.ledger.types import (
    Claim,
    Completion,
    JobFailure,
    JobRecord,
    LeaseStatus,
    Submission,
    lane_of,
    lanes_of,
)
from seewhy.schemas.job import JobState, Priority

LANE = lane_of("vgg16", Priority.INTERACTIVE)
LANES = lanes_of("vgg16")


@pytest.fixture(params=["memory", "valkey", "redis_server"])
def harness(request: pytest.FixtureRequest) -> Iterator[LedgerHarness]:
    if request.param == "memory":
        yield MemoryHarness()
    else:
        with request.getfixturevalue(request.param).client() as client:
            yield RedisHarness(client)


def submit(
    harness: LedgerHarness, *job_ids: str, lane: str = LANE, deadline_ms: int | None = None
) -> None:
    for job_id in job_ids:
        harness.ledger.submit(Submission(job_id, lane, f"text of {job_id}", deadline_ms))


def claim(harness: LedgerHarness, owner: str = "w1") -> list[Claim]:
    return harness.ledger.claim(LANES, owner=owner, limit=8)


def read(harness: LedgerHarness, job_id: str) -> JobRecord:
    return read_job(harness.ledger, job_id)


def lose_worker(harness: LedgerHarness) -> None:
    """Let every lease expire."""
    harness.advance(POLICY.lease_ms)
    harness.ledger.sweep()


def crash(harness: LedgerHarness, job_id: str, *, exposed: bool) -> None:
    """Claim the only job, and lose the worker that holds it."""
    (held,) = claim(harness)
    assert held.job_id == job_id
    if exposed:
        assert harness.ledger.set_exposed(held, exposed=True)
    lose_worker(harness)


def end_pause(harness: LedgerHarness) -> None:
    harness.advance(POLICY.max_crash_pause_ms)
    harness.ledger.sweep()


def crashes(record: JobRecord) -> tuple[int, int, int]:
    return record.attempts, record.crashes, record.exposed_crashes


def test_after_a_crash_each_job_is_quarantined(harness: LedgerHarness) -> None:
    submit(harness, "a", "b")
    claim(harness, owner="dead")
    harness.advance(1_000)
    harness.ledger.sweep()
    submit(harness, "fresh")
    quarantined = claim(harness, owner="w1")
    assert [c.job_id for c in quarantined] == ["a"]
    assert [c.job_id for c in claim(harness, owner="w2")] == ["b"], "another process may claim it"
    harness.ledger.complete([Completion(quarantined[0], "r")])
    assert [c.job_id for c in claim(harness, owner="w1")] == ["fresh"]


def test_the_owner_of_a_quarantined_job_claims_no_other_job(harness: LedgerHarness) -> None:
    submit(harness, "a")
    claim(harness, owner="dead")
    harness.advance(1_000)
    harness.ledger.sweep()
    quarantined = claim(harness, owner="w1")
    submit(harness, "fresh")
    assert claim(harness, owner="w1") == []
    harness.ledger.complete([Completion(quarantined[0], "r")])
    assert [c.job_id for c in claim(harness, owner="w1")] == ["fresh"]


def test_a_quarantined_job_of_another_lane_goes_first_and_waits_for_an_owner_without_jobs(
    harness: LedgerHarness,
) -> None:
    other = lane_of("vgg16", Priority.INTERACTIVE, long=True)
    submit(harness, "crashed", lane=other)
    harness.ledger.claim([other], owner="dead", limit=1)
    harness.advance(1_000)
    harness.ledger.sweep()
    submit(harness, "a", "b")

    def claim_beside_other() -> list[Claim]:
        return harness.ledger.claim([LANE], owner="w1", limit=1, quarantine_lanes=[other])

    (first,) = harness.ledger.claim([LANE], owner="w1", limit=1)
    assert claim_beside_other() == []
    harness.ledger.complete([Completion(first, "r")])
    assert [(c.job_id, c.lane) for c in claim_beside_other()] == [("crashed", other)]


def test_a_quarantined_job_waits_for_an_owner_without_jobs(harness: LedgerHarness) -> None:
    submit(harness, "a")
    claim(harness, owner="dead")
    submit(harness, "busy")
    busy = claim(harness, owner="w1")
    harness.advance(900)
    harness.ledger.renew(busy)
    harness.advance(100)
    harness.ledger.sweep()
    assert claim(harness, owner="w1") == []
    harness.ledger.complete([Completion(busy[0], "r")])
    assert [c.job_id for c in claim(harness, owner="w1")] == ["a"]


def test_a_claim_says_whether_its_job_is_quarantined(harness: LedgerHarness) -> None:
    submit(harness, "a")
    assert [c.quarantined for c in claim(harness)] == [False]
    lose_worker(harness)
    assert [c.quarantined for c in claim(harness)] == [True]


def test_a_job_that_kills_three_workers_fails(harness: LedgerHarness) -> None:
    submit(harness, "poison")
    crash(harness, "poison", exposed=False)
    for _ in range(2):
        assert read(harness, "poison").state is JobState.QUEUED
        crash(harness, "poison", exposed=True)
        end_pause(harness)
    record = read(harness, "poison")
    assert (record.state, record.error_code) == (JobState.FAILED, "worker_lost")
    assert crashes(record) == (3, 3, 2)
    assert claim(harness) == []


def test_crashes_without_exposure_cost_no_attempt(harness: LedgerHarness) -> None:
    submit(harness, "innocent")
    for _ in range(POLICY.max_crashes - 1):
        crash(harness, "innocent", exposed=False)
        end_pause(harness)
    for _ in range(POLICY.max_attempts):
        assert read(harness, "innocent").state is JobState.QUEUED
        retry = JobFailure(claim(harness)[0], "out_of_memory", "full", retry_in_ms=10)
        harness.ledger.fail([retry])
        harness.advance(10)
        harness.ledger.sweep()
    record = read(harness, "innocent")
    assert (record.state, record.error_code) == (JobState.FAILED, "out_of_memory")
    assert crashes(record) == (POLICY.max_attempts + 4, 4, 0)


def test_a_job_fails_after_many_crashes_of_any_cause(harness: LedgerHarness) -> None:
    submit(harness, "unlucky")
    for _ in range(POLICY.max_crashes):
        crash(harness, "unlucky", exposed=False)
        end_pause(harness)
    record = read(harness, "unlucky")
    assert (record.state, record.error_code) == (JobState.FAILED, "worker_lost")
    assert record.error_detail == "Too many workers were lost while they held this job."
    assert crashes(record) == (5, 5, 0)


def test_a_job_that_does_not_run_alone_is_not_exposed(harness: LedgerHarness) -> None:
    submit(harness, "a", "b")
    assert not harness.ledger.set_exposed(claim(harness)[0], exposed=True)
    lose_worker(harness)
    assert crashes(read(harness, "a")) == (1, 1, 0)


def test_an_exposure_ends_with_the_claim(harness: LedgerHarness) -> None:
    submit(harness, "a")
    crash(harness, "a", exposed=False)
    (held,) = claim(harness)
    harness.ledger.set_exposed(held, exposed=True)
    assert read(harness, "a").exposed
    harness.ledger.release([held])
    assert not read(harness, "a").exposed
    lost = claim(harness)
    lose_worker(harness)
    assert crashes(read(harness, "a")) == (2, 2, 0)
    assert not harness.ledger.set_exposed(lost[0], exposed=True), "the claim was lost"
    end_pause(harness)
    (last,) = claim(harness)
    harness.ledger.set_exposed(last, exposed=True)
    harness.ledger.complete([Completion(last, "r")])
    assert not read(harness, "a").exposed


def test_a_worker_that_reports_after_its_lease_was_not_killed(harness: LedgerHarness) -> None:
    submit(harness, "a")
    crash(harness, "a", exposed=False)
    (late,) = claim(harness)
    harness.ledger.set_exposed(late, exposed=True)
    lose_worker(harness)
    assert crashes(read(harness, "a")) == (2, 2, 1)
    for _ in range(2):
        assert harness.ledger.renew([late]) == [LeaseStatus.LOST]
        assert crashes(read(harness, "a")) == (2, 2, 0), "withdrawn once"
    end_pause(harness)
    crash(harness, "a", exposed=True)
    assert crashes(read(harness, "a")) == (3, 3, 1)
    assert read(harness, "a").state is JobState.QUEUED


def test_a_late_report_does_not_change_an_outcome(harness: LedgerHarness) -> None:
    submit(harness, "a")
    crash(harness, "a", exposed=False)
    crash(harness, "a", exposed=True)
    end_pause(harness)
    (late,) = claim(harness)
    harness.ledger.set_exposed(late, exposed=True)
    lose_worker(harness)
    failed = read(harness, "a")
    assert failed.state is JobState.FAILED
    harness.ledger.renew([late])
    assert read(harness, "a") == failed


def test_the_pause_grows_with_each_crash(harness: LedgerHarness) -> None:
    submit(harness, "a")
    pauses = []
    for _ in range(4):
        crash(harness, "a", exposed=False)
        paused_ms = 0
        while not claim_and_release(harness):
            harness.advance(50)
            harness.ledger.sweep()
            paused_ms += 50
        pauses.append(paused_ms)
    assert pauses == [0, 100, 200, 300], "doubles up to the maximum"


def claim_and_release(harness: LedgerHarness) -> bool:
    held = claim(harness)
    harness.ledger.release(held)
    return bool(held)


def test_the_pause_after_an_exposed_crash_is_the_longest(harness: LedgerHarness) -> None:
    submit(harness, "a")
    crash(harness, "a", exposed=False)
    crash(harness, "a", exposed=True)
    harness.advance(POLICY.max_crash_pause_ms - 1)
    harness.ledger.sweep()
    assert claim(harness) == []
    harness.advance(1)
    harness.ledger.sweep()
    assert [c.job_id for c in claim(harness)] == ["a"]


def test_a_paused_job_expires_at_its_deadline(harness: LedgerHarness) -> None:
    submit(harness, "a", deadline_ms=2 * POLICY.lease_ms + 50)
    crash(harness, "a", exposed=False)
    crash(harness, "a", exposed=False)
    harness.advance(50)
    harness.ledger.sweep()
    assert read(harness, "a").state is JobState.EXPIRED


def test_quarantined_jobs_with_fewer_crashes_go_first(harness: LedgerHarness) -> None:
    submit(harness, "a", "b")
    claim(harness)
    lose_worker(harness)
    crash(harness, "a", exposed=False)
    end_pause(harness)
    assert [read(harness, job).crashes for job in "ab"] == [2, 1]
    assert [queue_position(harness.ledger, job) for job in "ab"] == [2, 1]
    assert [c.job_id for c in claim(harness)] == ["b"]


def test_a_crash_wakes_the_lane_of_a_job_that_pauses_or_fails(harness: LedgerHarness) -> None:
    submit(harness, "poison")
    crash(harness, "poison", exposed=False)
    for _ in range(2):
        (held,) = claim(harness)
        harness.ledger.set_exposed(held, exposed=True)
        submit(harness, f"waits {held.fence}", f"waits too {held.fence}")
        harness.advance(POLICY.lease_ms)
        assert harness.ledger.sweep().wakeups == {LANE: held.fence - 1}
        end_pause(harness)
    assert read(harness, "poison").state is JobState.FAILED
