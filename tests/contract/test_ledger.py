"""The contract of every ledger: in memory, on Valkey and on Redis."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ledger_harness import (
    POLICY,
    START_MS,
    LedgerHarness,
    latest_position,
    queue_position,
    read_job,
)
from optionals import present
from seewhy.ledger.types import (
    Claim,
    Completion,
    IdempotencyKey,
    JobFailure,
    JobOutcome,
    JobRecord,
    JobRestoration,
    LeaseStatus,
    LimitScope,
    QueueLimit,
    ReservationStatus,
    Submission,
    is_long,
    lane_of,
    lanes_of,
    model_of,
    priority_of,
    wakeup_queue,
)
from seewhy.schemas.context import DEFAULT_CONTEXT, RequestContext
from seewhy.schemas.job import JobState, Priority

CONTEXT = RequestContext()
A, B, C, D = map(RequestContext, "abcd")
LANE = lane_of("vgg16", Priority.INTERACTIVE)
LANES = lanes_of("vgg16")


@pytest.fixture(autouse=True)
def _counters_balance(harness: LedgerHarness) -> Iterator[None]:
    """Check I5, and I1 by counting, at the end of every test."""
    yield
    counts = harness.ledger.counts()
    assert counts.drift == 0
    assert counts.non_terminal == len(harness.due())


def submit(
    harness: LedgerHarness, *job_ids: str, lane: str = LANE, deadline_ms: int | None = None
) -> None:
    for job_id in job_ids:
        harness.ledger.submit(Submission(job_id, lane, f"text of {job_id}", deadline_ms))


def claim(harness: LedgerHarness, limit: int = 8, owner: str = "w1") -> list[Claim]:
    return harness.ledger.claim(LANES, owner=owner, limit=limit)


def read(harness: LedgerHarness, job_id: str) -> JobRecord:
    return read_job(harness.ledger, job_id)


def cancel(harness: LedgerHarness, job_id: str) -> JobRecord:
    return present(harness.ledger.cancel(job_id))


def state(harness: LedgerHarness, job_id: str) -> JobState:
    return read(harness, job_id).state


def test_a_submitted_job_waits_in_its_lane_and_is_due(harness: LedgerHarness) -> None:
    submit(harness, "a")
    record = read(harness, "a")
    assert (record.state, record.lane, record.job) == (JobState.QUEUED, LANE, "text of a")
    assert record.submitted_ms == START_MS
    assert queue_position(harness.ledger, "a") == 1
    assert harness.due() == {"a": START_MS + 100}


def test_submitting_an_id_again_changes_nothing(harness: LedgerHarness) -> None:
    submit(harness, "a")
    assert not harness.ledger.submit(Submission("a", LANE, "other text")).created
    assert read(harness, "a").job == "text of a"
    assert harness.ledger.counts().accepted == 1


def test_an_unknown_job_is_none(harness: LedgerHarness) -> None:
    assert harness.ledger.read("unknown") is None
    assert harness.ledger.cancel("unknown") is None


def test_jobs_are_claimed_in_order_and_charged_an_attempt(harness: LedgerHarness) -> None:
    submit(harness, "a", "b", "c")
    claims = claim(harness, limit=2)
    assert [(c.job_id, c.fence, c.attempt, c.job) for c in claims] == [
        ("a", 1, 1, "text of a"),
        ("b", 1, 1, "text of b"),
    ]
    record = read(harness, "a")
    assert (record.state, record.owner, record.started_ms) == (JobState.RUNNING, "w1", START_MS)
    assert harness.due()["a"] == START_MS + 1_000
    assert queue_position(harness.ledger, "c") == 1


def test_a_claim_names_the_request_of_its_job(harness: LedgerHarness) -> None:
    context = RequestContext(tenant="a", key_id="0" * 16, request_id="r-1")
    harness.ledger.submit(Submission("a", LANE, "x", context=context))
    submit(harness, "b")
    claims = {each.job_id: each.context for each in claim(harness)}
    assert claims == {"a": context, "b": DEFAULT_CONTEXT}
    assert read(harness, "a").context == context


def test_interactive_jobs_go_before_batch_jobs(harness: LedgerHarness) -> None:
    submit(harness, "slow", lane=lane_of("vgg16", Priority.BATCH))
    submit(harness, "fast")
    assert [c.job_id for c in claim(harness)] == ["fast", "slow"]


def test_a_claim_returns_only_jobs_of_its_lanes(harness: LedgerHarness) -> None:
    submit(harness, "a", lane=lane_of("other", Priority.INTERACTIVE))
    assert claim(harness) == []


def test_a_completed_job_keeps_its_result(harness: LedgerHarness) -> None:
    submit(harness, "a")
    claims = claim(harness)
    assert harness.ledger.complete([Completion(claims[0], "the result")]).applied == [True]
    assert harness.ledger.complete([Completion(claims[0], "another")]).applied == [False]
    assert harness.ledger.fail([JobFailure(claims[0], "x", "y")]).applied == [False]
    record = read(harness, "a")
    assert (record.state, record.result, record.owner) == (JobState.SUCCEEDED, "the result", None)
    assert harness.due() == {}


def test_the_jobs_of_a_batch_finish_independently(harness: LedgerHarness) -> None:
    submit(harness, "a", "b")
    a, b = claim(harness)
    assert harness.ledger.complete([Completion(b, "r")]).applied == [True]
    assert harness.ledger.fail([JobFailure(a, "broken_image", "it is broken")]).applied == [True]
    record = read(harness, "a")
    assert (record.state, record.error_code) == (JobState.FAILED, "broken_image")
    assert record.error_detail == "it is broken"
    assert harness.ledger.counts().terminal == {JobState.SUCCEEDED: 1, JobState.FAILED: 1}


def test_a_retryable_failure_is_retried_after_its_delay(harness: LedgerHarness) -> None:
    submit(harness, "a")
    harness.ledger.fail([JobFailure(claim(harness)[0], "store_unavailable", "", retry_in_ms=50)])
    assert state(harness, "a") is JobState.QUEUED
    assert claim(harness) == []
    harness.advance(50)
    assert harness.ledger.sweep().wakeups == {LANE: 1}
    assert claim(harness)[0].attempt == 2


def test_a_retryable_failure_of_the_last_attempt_is_final(harness: LedgerHarness) -> None:
    submit(harness, "a")
    for _ in range(3):
        harness.ledger.fail(
            [JobFailure(claim(harness)[0], "out_of_memory", "full", retry_in_ms=10)]
        )
        harness.advance(10)
        harness.ledger.sweep()
    assert state(harness, "a") is JobState.FAILED
    assert read(harness, "a").attempts == 3


def test_a_released_job_is_uncharged_and_keeps_its_place(harness: LedgerHarness) -> None:
    submit(harness, "a", "b")
    first = claim(harness, limit=1)
    assert harness.ledger.release(first) == [True]
    assert read(harness, "a").attempts == 0
    assert [c.job_id for c in claim(harness)] == ["a", "b"]


def test_a_renewed_lease_lasts_longer(harness: LedgerHarness) -> None:
    submit(harness, "a")
    claims = claim(harness)
    harness.advance(900)
    assert harness.ledger.renew(claims) == [LeaseStatus.HELD]
    harness.advance(900)
    assert harness.ledger.sweep().examined == 0
    assert state(harness, "a") is JobState.RUNNING


def test_a_stale_fence_cannot_finish_a_job(harness: LedgerHarness) -> None:
    submit(harness, "a")
    old = claim(harness)
    harness.advance(1_000)
    assert harness.ledger.sweep().wakeups == {LANE: 1}
    new = claim(harness, owner="w2")
    assert (new[0].fence, new[0].attempt) == (2, 2)
    assert harness.ledger.renew(old) == [LeaseStatus.LOST]
    assert harness.ledger.complete([Completion(old[0], "stale")]).applied == [False]
    assert harness.ledger.release(old) == [False]
    assert harness.ledger.complete([Completion(new[0], "fresh")]).applied == [True]
    assert read(harness, "a").result == "fresh"


def test_the_lanes_of_long_jobs_come_last(harness: LedgerHarness) -> None:
    for long in (True, False):
        for priority in reversed(Priority):
            lane = lane_of("vgg16", priority, long=long)
            submit(harness, lane, lane=lane)
            assert (model_of(lane), priority_of(lane), is_long(lane)) == ("vgg16", priority, long)
    assert [c.job_id for _ in range(4) for c in claim(harness, limit=1)] == [
        "vgg16:interactive",
        "vgg16:batch",
        "vgg16:interactive:long",
        "vgg16:batch:long",
    ]


def test_a_queued_job_is_cancelled_at_once(harness: LedgerHarness) -> None:
    submit(harness, "a")
    assert cancel(harness, "a").state is JobState.CANCELLED
    assert claim(harness) == []


def test_a_running_job_is_cancelled_when_its_worker_confirms(harness: LedgerHarness) -> None:
    submit(harness, "a")
    claims = claim(harness)
    assert harness.ledger.cancel_claimed(claims) == [False], "the client has not asked yet"
    record = cancel(harness, "a")
    assert (record.state, record.cancel_requested) == (JobState.RUNNING, True)
    assert harness.ledger.renew(claims) == [LeaseStatus.CANCEL]
    assert harness.ledger.cancel_claimed(claims) == [True]
    assert state(harness, "a") is JobState.CANCELLED


def test_a_late_cancellation_does_not_discard_a_result(harness: LedgerHarness) -> None:
    submit(harness, "a")
    claims = claim(harness)
    harness.ledger.cancel("a")
    assert harness.ledger.complete([Completion(claims[0], "r")]).applied == [True]
    assert cancel(harness, "a").state is JobState.SUCCEEDED


@pytest.mark.parametrize("ending", ["release", "crash", "retry"])
def test_a_cancelled_job_does_not_run_again(harness: LedgerHarness, ending: str) -> None:
    submit(harness, "a")
    claims = claim(harness)
    harness.ledger.cancel("a")
    if ending == "release":
        harness.ledger.release(claims)
    elif ending == "retry":
        harness.ledger.fail([JobFailure(claims[0], "x", "y", retry_in_ms=1)])
    else:
        harness.advance(1_000)
        harness.ledger.sweep()
    assert state(harness, "a") is JobState.CANCELLED


def test_renewal_expires_a_job_past_its_deadline(harness: LedgerHarness) -> None:
    submit(harness, "swept", "claimed", "running", deadline_ms=500)
    running = [c for c in claim(harness) if c.job_id == "running"]
    harness.ledger.release([c for c in claim(harness) if c.job_id != "running"])
    harness.advance(500)
    assert harness.ledger.renew(running) == [LeaseStatus.LOST]
    assert state(harness, "running") is JobState.EXPIRED


def test_a_queued_job_past_its_deadline_is_not_claimed(harness: LedgerHarness) -> None:
    submit(harness, "a", deadline_ms=50)
    harness.advance(50)
    assert claim(harness) == []
    assert state(harness, "a") is JobState.EXPIRED


def test_the_sweep_expires_unclaimed_jobs(harness: LedgerHarness) -> None:
    submit(harness, "a", deadline_ms=50)
    harness.advance(50)
    assert harness.ledger.sweep().examined == 1
    assert state(harness, "a") is JobState.EXPIRED


def test_longer_queues_need_more_wakeups(harness: LedgerHarness) -> None:
    notified = []
    for n in range(5):
        notified.append(harness.ledger.submit(Submission(str(n), LANE, "")).notify)
        if notified[-1]:
            harness.add_unread_wakeup(wakeup_queue(LANE))
    assert notified == [True, False, True, False, True]


def test_the_sweep_replaces_lost_wakeups(harness: LedgerHarness) -> None:
    submit(harness, *"abcdefgh")
    harness.advance(100)
    assert harness.ledger.sweep().wakeups == {LANE: 3}, "at most max_wakeups"
    for _ in range(3):
        harness.add_unread_wakeup(wakeup_queue(LANE))
    harness.advance(400)
    assert harness.ledger.sweep().wakeups == {}, "unread wakeups suffice"


def test_the_sweep_examines_at_most_its_limit(harness: LedgerHarness) -> None:
    submit(harness, *"abcde")
    harness.advance(100)
    assert [harness.ledger.sweep(limit=2).examined for _ in range(4)] == [2, 2, 1, 0]


def test_an_idempotency_key_returns_one_job_before_and_after_completion(
    harness: LedgerHarness,
) -> None:
    key = IdempotencyKey("k", "digest of the request")
    assert harness.ledger.reserve(key, "a", context=CONTEXT).status is ReservationStatus.NEW
    assert harness.ledger.reserve(key, "b", context=CONTEXT).status is ReservationStatus.BUSY
    harness.ledger.submit(Submission("a", LANE, "text", key=key))
    for _ in range(2):
        answer = harness.ledger.reserve(key, "b", context=CONTEXT)
        assert (answer.status, answer.job_id) == (ReservationStatus.ACCEPTED, "a")
        if claims := claim(harness):
            harness.ledger.complete([Completion(claims[0], "r")])
    other = IdempotencyKey("k", "another request")
    assert harness.ledger.reserve(other, "b", context=CONTEXT).status is ReservationStatus.REUSED


def test_an_abandoned_reservation_passes_on_its_job_id(harness: LedgerHarness) -> None:
    key = IdempotencyKey("k", "digest")
    harness.ledger.reserve(key, "a", context=CONTEXT)
    harness.advance(30_000)
    answer = harness.ledger.reserve(key, "b", context=CONTEXT)
    assert (answer.status, answer.job_id) == (ReservationStatus.NEW, "a")


def test_a_released_reservation_keeps_its_job_id(harness: LedgerHarness) -> None:
    key = IdempotencyKey("k", "digest")
    harness.ledger.reserve(key, "a", context=CONTEXT)
    assert not harness.ledger.release_reservation(key, "b", context=CONTEXT), (
        "not this request's to free"
    )
    assert harness.ledger.release_reservation(key, "a", context=CONTEXT)
    answer = harness.ledger.reserve(key, "b", context=CONTEXT)
    assert (answer.status, answer.job_id) == (ReservationStatus.NEW, "a")


def test_the_key_of_an_accepted_job_is_not_released(harness: LedgerHarness) -> None:
    key = IdempotencyKey("k", "digest")
    harness.ledger.reserve(key, "a", context=CONTEXT)
    harness.ledger.submit(Submission("a", LANE, "text", key=key))
    assert not harness.ledger.release_reservation(key, "a", context=CONTEXT)
    assert harness.ledger.reserve(key, "b", context=CONTEXT).status is ReservationStatus.ACCEPTED
    assert not harness.ledger.release_reservation(
        IdempotencyKey("unknown", "digest"), "a", context=CONTEXT
    )


def test_every_change_of_state_is_an_event_in_order(harness: LedgerHarness) -> None:
    start = latest_position(harness.ledger)
    submit(harness, "a")
    harness.ledger.complete([Completion(claim(harness)[0], "r")])
    events = harness.ledger.events(after=start, wait_ms=100)
    assert [(e.job_id, e.state) for e in events] == [
        ("a", JobState.RUNNING),
        ("a", JobState.SUCCEEDED),
    ]
    assert harness.ledger.events(after=events[0].position, wait_ms=100) == events[1:]
    assert harness.ledger.events(after=events[1].position, wait_ms=1) == []


def ids(records: Sequence[JobRecord | Claim]) -> list[str]:
    return [record.job_id for record in records]


def test_every_outcome_but_success_is_listed_until_archived(harness: LedgerHarness) -> None:
    submit(harness, "fails", "succeeds")
    fails, succeeds = claim(harness)
    harness.ledger.complete([Completion(succeeds, "r")])
    harness.ledger.fail([JobFailure(fails, "broken_image", "it is broken")])
    harness.advance(1)
    submit(harness, "cancelled", "expires", deadline_ms=10)
    harness.ledger.cancel("cancelled")
    harness.advance(100)
    harness.ledger.sweep()
    assert ids(harness.ledger.list_unarchived(limit=2)) == ["fails", "cancelled"], (
        "the oldest first"
    )
    assert harness.ledger.list_unarchived(limit=1) == [read(harness, "fails")]
    assert ids(harness.ledger.list_unarchived()) == ["fails", "cancelled", "expires"]
    harness.ledger.mark_archived(["fails", "expires", "unknown"])
    assert ids(harness.ledger.list_unarchived()) == ["cancelled"]


def test_a_job_to_retry_has_no_outcome_to_archive(harness: LedgerHarness) -> None:
    submit(harness, "a")
    harness.ledger.fail([JobFailure(claim(harness)[0], "x", "y", retry_in_ms=1)])
    assert harness.ledger.list_unarchived() == []
    assert harness.ledger.list_dead_letters() == []


def test_failed_jobs_are_dead_letters_until_dismissed(harness: LedgerHarness) -> None:
    submit(harness, "a", "b", "c")
    a, b, _ = claim(harness)
    harness.ledger.cancel("c")
    harness.ledger.fail([JobFailure(b, "x", "y")])
    harness.advance(1)
    harness.ledger.fail([JobFailure(a, "x", "y")])
    assert ids(harness.ledger.list_dead_letters()) == ["b", "a"]
    assert ids(harness.ledger.list_dead_letters(limit=1)) == ["b"]
    assert harness.ledger.dismiss(["b", "c"]) == 1
    assert harness.ledger.dismiss(["b"]) == 0
    assert ids(harness.ledger.list_dead_letters()) == ["a"]
    assert state(harness, "b") is JobState.FAILED, "the record stays"


def test_a_restored_job_precedes_jobs_accepted_since_and_is_overdue_at_once(
    harness: LedgerHarness,
) -> None:
    submit(harness, "new")
    for job_id, ago_ms in (("second", 10), ("first", 90_000)):
        lost = JobRestoration(Submission(job_id, LANE, f"text of {job_id}"), START_MS - ago_ms)
        assert harness.ledger.restore(lost)
    record = read(harness, "first")
    assert (record.state, record.job, record.attempts) == (JobState.QUEUED, "text of first", 0)
    assert record.submitted_ms == START_MS - 90_000
    assert harness.ledger.sweep().wakeups == {LANE: 2}
    assert [c.job_id for c in claim(harness)] == ["first", "second", "new"]


def test_a_known_job_is_not_restored(harness: LedgerHarness) -> None:
    submit(harness, "a")
    ended = JobOutcome(JobState.FAILED, finished_ms=START_MS)
    assert not harness.ledger.restore(JobRestoration(Submission("a", LANE, "x"), START_MS, ended))
    assert state(harness, "a") is JobState.QUEUED
    assert harness.ledger.counts().accepted == 1


def test_a_claim_from_before_the_loss_cannot_finish_the_restored_job(
    harness: LedgerHarness,
) -> None:
    submit(harness, "a")
    old = claim(harness)
    harness.lose_all_data()
    harness.ledger.restore(JobRestoration(Submission("a", LANE, "text of a"), START_MS))
    new = claim(harness)
    assert harness.ledger.renew(old) == [LeaseStatus.LOST]
    assert harness.ledger.complete([Completion(old[0], "stale")]).applied == [False]
    assert harness.ledger.complete([Completion(new[0], "fresh")]).applied == [True]


def test_a_restored_outcome_is_unchanged(harness: LedgerHarness) -> None:
    outcome = JobOutcome(
        state=JobState.FAILED,
        finished_ms=START_MS - 500,
        attempts=3,
        crashes=3,
        exposed_crashes=2,
        started_ms=START_MS - 800,
        error_code="worker_lost",
        error_detail="The worker died.",
    )
    assert harness.ledger.restore(
        JobRestoration(Submission("a", LANE, "x"), START_MS - 900, outcome)
    )
    record = read(harness, "a")
    assert (record.state, record.error_code) == (JobState.FAILED, "worker_lost")
    assert (record.attempts, record.crashes, record.exposed_crashes) == (3, 3, 2)
    assert (record.submitted_ms, record.started_ms, record.finished_ms) == (
        START_MS - 900,
        START_MS - 800,
        START_MS - 500,
    )
    assert ids(harness.ledger.list_dead_letters()) == ["a"]
    assert harness.ledger.list_unarchived() == [], "the store has it already"
    assert claim(harness) == []
    assert harness.ledger.counts().terminal == {JobState.FAILED: 1}


def test_an_outcome_past_its_retention_is_not_restored(harness: LedgerHarness) -> None:
    week_ms = 7 * 86_400_000
    past = JobOutcome(JobState.SUCCEEDED, finished_ms=START_MS - week_ms, result="r")
    lost = JobRestoration(Submission("a", LANE, "x"), START_MS - week_ms, past)
    assert not harness.ledger.restore(lost)
    assert harness.ledger.read("a") is None
    assert harness.ledger.counts().accepted == 0


def test_the_deadline_of_a_restored_job_counts_from_its_submission(harness: LedgerHarness) -> None:
    for job_id, ago_ms in (("late", 2_000), ("early", 0)):
        submission = Submission(job_id, LANE, "x", deadline_ms=1_000)
        harness.ledger.restore(JobRestoration(submission, START_MS - ago_ms))
    harness.ledger.sweep()
    assert state(harness, "late") is JobState.EXPIRED
    assert state(harness, "early") is JobState.QUEUED


def test_a_restored_job_regains_its_key_unless_it_is_bound_to_another(
    harness: LedgerHarness,
) -> None:
    mine, taken = IdempotencyKey("k", "digest"), IdempotencyKey("l", "digest")
    harness.ledger.reserve(taken, "other", context=CONTEXT)
    harness.ledger.restore(JobRestoration(Submission("a", LANE, "x", key=mine), START_MS))
    harness.ledger.restore(JobRestoration(Submission("b", LANE, "x", key=taken), START_MS))
    answer = harness.ledger.reserve(mine, "new", context=CONTEXT)
    assert (answer.status, answer.job_id) == (ReservationStatus.ACCEPTED, "a")
    assert harness.ledger.reserve(taken, "new", context=CONTEXT).job_id == "other"


def test_a_job_restored_during_its_request_keeps_its_key(harness: LedgerHarness) -> None:
    key = IdempotencyKey("k", "digest")
    harness.ledger.reserve(key, "a", context=CONTEXT)
    harness.ledger.restore(JobRestoration(Submission("a", LANE, "x", key=key), START_MS))
    assert not harness.ledger.submit(Submission("a", LANE, "x", key=key)).created
    assert harness.ledger.reserve(key, "b", context=CONTEXT).status is ReservationStatus.ACCEPTED


def test_only_the_leader_sets_the_epoch(harness: LedgerHarness) -> None:
    fresh = harness.ledger.epoch_marker()
    assert (fresh.epoch, fresh.marked_by) == (None, None)
    assert not harness.ledger.set_epoch("e", owner="me"), "only the leader sets the epoch"
    assert harness.ledger.acquire_leadership("me", lease_ms=100)
    assert harness.ledger.set_epoch("e", owner="me")
    marked = harness.ledger.epoch_marker()
    assert (marked.epoch, marked.marked_by) == ("e", marked.server)
    assert marked.server == fresh.server


def test_one_owner_leads_until_its_lease_expires(harness: LedgerHarness) -> None:
    assert harness.ledger.acquire_leadership("a", lease_ms=100)
    assert not harness.ledger.acquire_leadership("b", lease_ms=100)
    harness.advance(99)
    assert harness.ledger.renew_leadership("a", lease_ms=100)
    harness.advance(100)
    assert harness.ledger.acquire_leadership("b", lease_ms=100)
    assert not harness.ledger.renew_leadership("a", lease_ms=100)
    assert not harness.ledger.set_epoch("e", owner="a")


def test_leadership_lost_with_all_data_is_not_renewed(harness: LedgerHarness) -> None:
    assert harness.ledger.acquire_leadership("a", lease_ms=100)
    harness.lose_all_data()
    assert not harness.ledger.renew_leadership("a", lease_ms=100)
    assert not harness.ledger.set_epoch("e", owner="a")


def test_check_returns_while_the_ledger_accepts_writes(harness: LedgerHarness) -> None:
    harness.ledger.check()


def submit_many(harness: LedgerHarness, tenant: str, count: int, **more: Any) -> list[str]:
    names = [f"{tenant}{n}" for n in range(count)]
    for name in names:
        harness.ledger.submit(Submission(name, LANE, "x", context=RequestContext(tenant), **more))
    return names


def test_tenants_take_turns_however_much_one_has_queued(harness: LedgerHarness) -> None:
    submit_many(harness, "a", 6)
    submit_many(harness, "b", 2)
    assert ids(claim(harness, limit=5)) == ["a0", "b0", "a1", "b1", "a2"]
    submit_many(harness, "c", 2)
    assert ids(claim(harness, limit=5)) == ["c0", "a3", "c1", "a4", "a5"]


def test_a_tenant_gains_no_turn_by_leaving_and_returning(harness: LedgerHarness) -> None:
    submit_many(harness, "b", 3)
    served = []
    for n in range(3):
        harness.ledger.submit(Submission(f"a{n}", LANE, "x", context=A))
        served += ids(claim(harness, limit=1))
    assert served == ["a0", "b0", "a1"]


def test_the_queue_position_counts_the_turns_of_other_tenants(harness: LedgerHarness) -> None:
    submit_many(harness, "a", 6)
    submit_many(harness, "b", 2)
    positions = {name: queue_position(harness.ledger, name) for name in ("b1", "a5")}
    assert positions == {"b1": 4, "a5": 8}
    order = ids(claim(harness, limit=8))
    assert {name: order.index(name) + 1 for name in positions} == positions


def test_only_the_tenant_with_a_full_queue_is_refused(harness: LedgerHarness) -> None:
    submit_many(harness, "a", 10)
    refused = harness.ledger.submit(Submission("more", LANE, "x", context=A))
    assert not refused.created
    assert (
        refused.limit_reached
        == harness.ledger.reached_limit(LANE, context=A)
        == QueueLimit(LimitScope.TENANT, 60_000)
    )
    assert harness.ledger.read("more") is None
    assert harness.ledger.reached_limit(LANE, context=B) is None
    assert harness.ledger.submit(Submission("other", LANE, "x", context=B)).created
    assert harness.ledger.reached_limit(lane_of("vgg16", Priority.BATCH), context=A) is None


def test_a_full_lane_refuses_all_tenants_until_a_job_finishes(harness: LedgerHarness) -> None:
    submit_many(harness, "a", 10)
    submit_many(harness, "b", 2)
    assert harness.ledger.reached_limit(LANE, context=C) == QueueLimit(LimitScope.LANE, 60_000)
    harness.ledger.cancel("a0")
    assert harness.ledger.reached_limit(LANE, context=C) is None
    assert harness.ledger.counts().open == {LANE: 11}


def test_the_retry_time_follows_the_throughput_of_the_last_minute(harness: LedgerHarness) -> None:
    submit_many(harness, "a", 10)
    for job in claim(harness, limit=4):
        harness.ledger.complete([Completion(job, "r")])
    submit_many(harness, "b", 2)
    submit_many(harness, "c", 4)
    # Twelve jobs are open, nine tenths of the limit are ten, and four jobs finish per minute.
    assert harness.ledger.reached_limit(LANE, context=D) == QueueLimit(LimitScope.LANE, 30_000)
    harness.advance(60_000)
    assert harness.ledger.reached_limit(LANE, context=D) == QueueLimit(LimitScope.LANE, 30_000)
    harness.advance(60_000)
    assert harness.ledger.reached_limit(LANE, context=D) == QueueLimit(LimitScope.LANE, 60_000), (
        "nothing has finished"
    )


def submit_duplicates(harness: LedgerHarness, *job_ids: str, lane: str = LANE, **more: Any) -> None:
    for job_id in job_ids:
        harness.ledger.submit(Submission(job_id, lane, "same", fingerprint="f", **more))


def outcome(harness: LedgerHarness, job_id: str) -> tuple[JobState, bool, int]:
    record = read(harness, job_id)
    return record.state, record.cached, record.attempts


def test_duplicates_wait_for_the_original_and_receive_its_result(harness: LedgerHarness) -> None:
    submit_duplicates(harness, "a", "b")
    (only,) = claim(harness)
    submit_duplicates(harness, "c", lane=lane_of("vgg16", Priority.BATCH))
    assert claim(harness) == []
    assert set(harness.due()) == {"a", "b", "c"}, "I1"
    harness.ledger.complete([Completion(only, "the result")])
    assert outcome(harness, "a") == (JobState.SUCCEEDED, False, 1)
    for duplicate in "bc":
        assert outcome(harness, duplicate) == (JobState.SUCCEEDED, True, 0)
        assert read(harness, duplicate).result == "the result"
    assert ids(harness.ledger.list_unarchived()) == ["b", "c"], (
        "the results are stored under the id of the original"
    )


def test_a_later_job_with_the_same_fingerprint_succeeds_at_once(harness: LedgerHarness) -> None:
    submit_duplicates(harness, "a")
    harness.ledger.complete([Completion(claim(harness)[0], "r")])
    receipt = harness.ledger.submit(Submission("b", LANE, "same", fingerprint="f"))
    assert (receipt.created, receipt.notify) == (True, False)
    assert outcome(harness, "b") == (JobState.SUCCEEDED, True, 0)
    harness.ledger.submit(Submission("own", LANE, "same"))
    assert ids(claim(harness)) == ["own"], "a job without a fingerprint is computed"


def test_a_failure_is_shared_with_waiting_duplicates_only(harness: LedgerHarness) -> None:
    submit_duplicates(harness, "a", "b")
    harness.ledger.fail([JobFailure(claim(harness)[0], "broken_image", "it is broken")])
    assert outcome(harness, "b") == (JobState.FAILED, True, 0)
    assert read(harness, "b").error_code == "broken_image"
    submit_duplicates(harness, "c")
    assert ids(claim(harness)) == ["c"]


@pytest.mark.parametrize("end", ["cancelled", "cancel claimed", "expired"])
def test_the_first_duplicate_becomes_the_original_when_there_is_no_outcome(
    harness: LedgerHarness, end: str
) -> None:
    submit_duplicates(harness, "a", deadline_ms=50 if end == "expired" else None)
    submit_duplicates(harness, "b", "c")
    if end == "cancelled":
        harness.ledger.cancel("a")
    elif end == "cancel claimed":
        taken = claim(harness)
        harness.ledger.cancel("a")
        harness.ledger.cancel_claimed(taken)
    harness.advance(100)
    harness.ledger.sweep()
    (successor,) = claim(harness)
    assert successor.job_id == "b"
    harness.ledger.complete([Completion(successor, "r")])
    assert outcome(harness, "c") == (JobState.SUCCEEDED, True, 0)


def test_a_duplicate_is_cancelled_and_expires_by_itself(harness: LedgerHarness) -> None:
    submit_duplicates(harness, "a", "b")
    submit_duplicates(harness, "c", deadline_ms=50)
    assert cancel(harness, "b").state is JobState.CANCELLED
    harness.advance(100)
    harness.ledger.sweep()
    assert state(harness, "c") is JobState.EXPIRED
    assert ids(claim(harness)) == ["a"]


def test_an_interactive_job_does_not_wait_for_a_queued_batch_job(harness: LedgerHarness) -> None:
    submit_duplicates(harness, "slow", lane=lane_of("vgg16", Priority.BATCH))
    submit_duplicates(harness, "fast")
    fast, slow = claim(harness, limit=2)
    assert (fast.job_id, slow.job_id) == ("fast", "slow")


def test_the_duplicates_of_a_job_that_kills_workers_fail_with_it(harness: LedgerHarness) -> None:
    submit_duplicates(harness, "poison", "b", "c")
    for _ in range(3):
        (poison,) = claim(harness)
        harness.ledger.set_exposed(poison, exposed=True)
        harness.advance(1_000)
        harness.ledger.sweep()
        harness.advance(POLICY.max_crash_pause_ms)
        harness.ledger.sweep()
    assert [outcome(harness, job)[:2] for job in "bc"] == [(JobState.FAILED, True)] * 2
    assert read(harness, "c").error_code == "worker_lost"


def test_a_cached_outcome_is_restored_as_cached(harness: LedgerHarness) -> None:
    shared = JobOutcome(JobState.SUCCEEDED, START_MS, cached=True, result="another's")
    harness.ledger.restore(JobRestoration(Submission("a", LANE, "x"), START_MS, shared))
    assert outcome(harness, "a") == (JobState.SUCCEEDED, True, 0)


def test_a_job_released_with_a_delay_is_uncharged_and_waits(harness: LedgerHarness) -> None:
    submit(harness, "a")
    assert harness.ledger.release(claim(harness), retry_in_ms=200) == [True]
    assert claim(harness) == []
    harness.advance(200)
    assert harness.ledger.sweep().wakeups == {LANE: 1}
    assert claim(harness)[0].attempt == 1
