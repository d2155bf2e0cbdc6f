"""What an operator reads of the ledger, on every implementation."""

from ledger_harness import POLICY, LedgerHarness
from seewhy.ledger.types import (
    DURATION_BUCKETS_MS,
    Attempt,
    Completion,
    DeliveryBacklog,
    DeliveryResult,
    Durations,
    JobFailure,
    LaneStatus,
    Submission,
    lane_of,
    wakeup_queue,
)
from seewhy.ledger.types.workers import ASSUMED_PASS_US
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority

LANE = lane_of("m", Priority.INTERACTIVE)
HOOK = "https://receiver.example/hook"


def submit(
    harness: LedgerHarness, job_id: str, *, tenant: str = "default", webhook_url: str | None = None
) -> None:
    context = RequestContext(tenant)
    harness.ledger.submit(
        Submission(job_id, LANE, "the job", context=context, webhook_url=webhook_url)
    )


def test_an_empty_ledger_has_nothing_to_show(harness: LedgerHarness) -> None:
    status = harness.ledger.status()
    assert (status.counts.accepted, status.counts.non_terminal, status.overdue) == (0, 0, 0)
    assert (status.dead_letters, status.unarchived, status.accepting_batches) == (0, 0, 0)
    assert status.deliveries == DeliveryBacklog(origins=0, delay_ms=0, undelivered=0)
    assert status.lanes == {}


def test_a_lane_shows_what_waits_and_runs_and_for_how_long(harness: LedgerHarness) -> None:
    submit(harness, "1", tenant="a")
    harness.advance(20)
    submit(harness, "2", tenant="b")
    submit(harness, "3", tenant="a")
    harness.advance(7)
    (claim,) = harness.ledger.claim([LANE], owner="w", limit=1)
    assert (claim.job_id, claim.waited_ms) == ("1", 27)
    harness.add_unread_wakeup(wakeup_queue(LANE))
    harness.advance(3)
    cost = Submission("x", LANE, "").cost
    assert harness.ledger.status().lanes == {
        LANE: LaneStatus(
            open=3,
            ready=2,
            running=1,
            ready_cost=2 * cost,
            running_cost=cost,
            oldest_ready_ms=10,
            longest_running_ms=3,
            unread_wakeups=1,
            pass_us=ASSUMED_PASS_US,
        )
    }


def test_the_age_of_a_quarantined_job_counts(harness: LedgerHarness) -> None:
    submit(harness, "1")
    harness.ledger.claim([LANE], owner="w", limit=1)
    harness.advance(POLICY.lease_ms)
    assert harness.ledger.status().overdue == 1
    harness.ledger.sweep()
    submit(harness, "2")
    harness.advance(5)
    status = harness.ledger.status()
    assert (status.leases_expired, status.overdue) == (1, 0)
    lane = status.lanes[LANE]
    assert (lane.ready, lane.running, lane.oldest_ready_ms) == (2, 0, POLICY.lease_ms + 5)


def test_the_wait_of_a_retried_job_counts_from_its_submission(harness: LedgerHarness) -> None:
    submit(harness, "1")
    (claim,) = harness.ledger.claim([LANE], owner="w", limit=1)
    harness.ledger.fail([JobFailure(claim, "code", "detail", retry_in_ms=50)])
    harness.advance(60)
    harness.ledger.sweep()
    (again,) = harness.ledger.claim([LANE], owner="w", limit=1)
    assert (again.attempt, again.waited_ms) == (2, 60)


def test_failed_jobs_and_deliveries_are_counted(harness: LedgerHarness) -> None:
    submit(harness, "1", webhook_url=HOOK)
    (claim,) = harness.ledger.claim([LANE], owner="w", limit=1)
    harness.ledger.fail([JobFailure(claim, "code", "detail")])
    harness.advance(40)
    status = harness.ledger.status()
    assert status.counts.terminal == {JobState.FAILED: 1}
    assert (status.dead_letters, status.unarchived) == (1, 1)
    assert status.deliveries == DeliveryBacklog(origins=1, delay_ms=40, undelivered=0)
    lease = harness.outbox.lease_origin(limit=1)
    assert lease is not None
    assert harness.ledger.status().deliveries.delay_ms == 0, "it is being sent"
    failed = [Attempt(lease.deliveries[0], DeliveryResult.EXHAUSTED, "no answer")]
    harness.outbox.report(lease, failed)
    assert harness.ledger.status().deliveries == DeliveryBacklog(0, 0, undelivered=1)


def test_computed_successes_are_counted_by_priority_and_duration(harness: LedgerHarness) -> None:
    for job_id, took_ms in (("1", 0), ("2", 250), ("3", 251), ("4", DURATION_BUCKETS_MS[-1] + 1)):
        submit(harness, job_id)
        harness.advance(took_ms)
        (claim,) = harness.ledger.claim([LANE], owner="w", limit=1)
        harness.ledger.complete([Completion(claim, "{}")])
    submit(harness, "5")
    (claim,) = harness.ledger.claim([LANE], owner="w", limit=1)
    harness.ledger.fail([JobFailure(claim, "code", "detail")])
    counts = [0] * (len(DURATION_BUCKETS_MS) + 1)
    counts[0], counts[1], counts[2], counts[-1] = 1, 1, 1, 1
    taken = harness.ledger.status().durations
    sum_ms = 250 + 251 + DURATION_BUCKETS_MS[-1] + 1
    assert taken[Priority.INTERACTIVE] == Durations(tuple(counts), sum_ms)
    assert taken[Priority.BATCH] == Durations()
