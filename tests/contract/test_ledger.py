"""What every ledger promises, on the twin and on real servers alike."""

from collections.abc import Iterator

import pytest

from ledger_harness import START_MS, LedgerHarness, MemoryHarness, RedisHarness, latest_position
from seewhy.ledger.types import (
    Completion,
    IdempotencyKey,
    JobFailure,
    JobOutcome,
    JobRestoration,
    LeaseStatus,
    LimitScope,
    QueueLimit,
    ReservationStatus,
    Submission,
    lane_of,
    lanes_of,
    wakeup_queue,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority

CONTEXT = RequestContext()
A, B, C, D = map(RequestContext, "abcd")
LANE = lane_of("vgg16", Priority.INTERACTIVE)
LANES = lanes_of("vgg16")


@pytest.fixture(params=["memory", "valkey", "redis_server"])
def harness(request: pytest.FixtureRequest) -> Iterator[LedgerHarness]:
    if request.param == "memory":
        yield MemoryHarness()
    else:
        with request.getfixturevalue(request.param).client() as client:
            yield RedisHarness(client)


@pytest.fixture(autouse=True)
def _books_balance(harness: LedgerHarness) -> Iterator[None]:
    """I5, and I1 as far as counting goes, at the end of every test."""
    yield
    counts = harness.ledger.counts()
    assert counts.drift == 0
    assert counts.non_terminal == len(harness.due())


def submit(
    harness: LedgerHarness, *job_ids: str, lane: str = LANE, deadline_ms: int | None = None
) -> None:
    for job_id in job_ids:
        harness.ledger.submit(Submission(job_id, lane, f"text of {job_id}", deadline_ms))


def claim(harness: LedgerHarness, limit: int = 8, owner: str = "w1"):
    return harness.ledger.claim(LANES, owner=owner, limit=limit)


def state(harness: LedgerHarness, job_id: str) -> JobState:
    record = harness.ledger.read(job_id)
    assert record is not None
    return record.state


def test_a_submitted_job_waits_in_its_lane_and_is_due(harness):
    submit(harness, "a")
    record = harness.ledger.read("a")
    assert (record.state, record.lane, record.job) == (JobState.QUEUED, LANE, "text of a")
    assert record.submitted_ms == START_MS
    assert harness.ledger.queue_position(record) == 1
    assert harness.due() == {"a": START_MS + 100}


def test_submitting_an_id_again_changes_nothing(harness):
    submit(harness, "a")
    assert not harness.ledger.submit(Submission("a", LANE, "other text")).created
    assert harness.ledger.read("a").job == "text of a"
    assert harness.ledger.counts().accepted == 1


def test_an_unknown_job_is_none(harness):
    assert harness.ledger.read("nobody") is None
    assert harness.ledger.cancel("nobody") is None


def test_jobs_are_claimed_in_order_and_charged_an_attempt(harness):
    submit(harness, "a", "b", "c")
    claims = claim(harness, limit=2)
    assert [(c.job_id, c.fence, c.attempt, c.job) for c in claims] == [
        ("a", 1, 1, "text of a"),
        ("b", 1, 1, "text of b"),
    ]
    record = harness.ledger.read("a")
    assert (record.state, record.owner, record.started_ms) == (JobState.RUNNING, "w1", START_MS)
    assert harness.due()["a"] == START_MS + 1_000
    assert harness.ledger.queue_position(harness.ledger.read("c")) == 1


def test_interactive_jobs_go_before_batch_jobs(harness):
    submit(harness, "slow", lane=lane_of("vgg16", Priority.BATCH))
    submit(harness, "fast")
    assert [c.job_id for c in claim(harness)] == ["fast", "slow"]


def test_nobody_claims_another_models_jobs(harness):
    submit(harness, "a", lane=lane_of("other", Priority.INTERACTIVE))
    assert claim(harness) == []


def test_a_completed_job_keeps_its_result_for_good(harness):
    submit(harness, "a")
    claims = claim(harness)
    assert harness.ledger.complete([Completion(claims[0], "the result")]).applied == [True]
    assert harness.ledger.complete([Completion(claims[0], "another")]).applied == [False]
    assert harness.ledger.fail([JobFailure(claims[0], "x", "y")]).applied == [False]
    record = harness.ledger.read("a")
    assert (record.state, record.result, record.owner) == (JobState.SUCCEEDED, "the result", None)
    assert harness.due() == {}


def test_a_batch_may_finish_in_parts(harness):
    submit(harness, "a", "b")
    a, b = claim(harness)
    assert harness.ledger.complete([Completion(b, "r")]).applied == [True]
    assert harness.ledger.fail([JobFailure(a, "broken_image", "it is broken")]).applied == [True]
    record = harness.ledger.read("a")
    assert (record.state, record.error_code) == (JobState.FAILED, "broken_image")
    assert record.error_detail == "it is broken"
    assert harness.ledger.counts().terminal == {JobState.SUCCEEDED: 1, JobState.FAILED: 1}


def test_a_transient_failure_waits_and_runs_again(harness):
    submit(harness, "a")
    harness.ledger.fail([JobFailure(claim(harness)[0], "store_unavailable", "", retry_in_ms=50)])
    assert state(harness, "a") is JobState.QUEUED
    assert claim(harness) == []
    harness.advance(50)
    assert harness.ledger.sweep().wakeups == {LANE: 1}
    assert claim(harness)[0].attempt == 2


def test_the_last_attempt_fails_for_good_however_transient(harness):
    submit(harness, "a")
    for _ in range(3):
        harness.ledger.fail(
            [JobFailure(claim(harness)[0], "out_of_memory", "full", retry_in_ms=10)]
        )
        harness.advance(10)
        harness.ledger.sweep()
    assert state(harness, "a") is JobState.FAILED
    assert harness.ledger.read("a").attempts == 3


def test_a_released_job_is_uncharged_and_keeps_its_place(harness):
    submit(harness, "a", "b")
    first = claim(harness, limit=1)
    assert harness.ledger.release(first) == [True]
    assert harness.ledger.read("a").attempts == 0
    assert [c.job_id for c in claim(harness)] == ["a", "b"]


def test_a_renewed_lease_outlasts_the_old_one(harness):
    submit(harness, "a")
    claims = claim(harness)
    harness.advance(900)
    assert harness.ledger.renew(claims) == [LeaseStatus.HELD]
    harness.advance(900)
    assert harness.ledger.sweep().examined == 0
    assert state(harness, "a") is JobState.RUNNING


def test_a_job_whose_worker_died_runs_again_and_the_dead_one_cannot_finish_it(harness):
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
    assert harness.ledger.read("a").result == "fresh"


def test_after_a_crash_each_job_runs_alone_in_its_process(harness):
    submit(harness, "a", "b")
    claim(harness, owner="dead")
    harness.advance(1_000)
    harness.ledger.sweep()
    submit(harness, "fresh")
    suspect = claim(harness, owner="w1")
    assert [c.job_id for c in suspect] == ["a"]
    assert [c.job_id for c in claim(harness, owner="w2")] == ["b"], "another process may"
    harness.ledger.complete([Completion(suspect[0], "r")])
    assert [c.job_id for c in claim(harness, owner="w1")] == ["fresh"]


def test_nothing_joins_a_suspect_in_its_process(harness):
    submit(harness, "a")
    claim(harness, owner="dead")
    harness.advance(1_000)
    harness.ledger.sweep()
    suspect = claim(harness, owner="w1")
    submit(harness, "fresh")
    assert claim(harness, owner="w1") == []
    harness.ledger.complete([Completion(suspect[0], "r")])
    assert [c.job_id for c in claim(harness, owner="w1")] == ["fresh"]


def test_a_suspect_waits_until_its_process_holds_nothing_else(harness):
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


def test_a_job_that_kills_every_worker_fails_after_three(harness):
    submit(harness, "poison")
    for owner in ("w1", "w2", "w3"):
        assert [c.job_id for c in claim(harness, owner=owner)] == ["poison"]
        harness.advance(1_000)
        harness.ledger.sweep()
    record = harness.ledger.read("poison")
    assert (record.state, record.error_code) == (JobState.FAILED, "worker_lost")
    assert (record.attempts, record.crashes) == (3, 3)
    assert claim(harness) == []


def test_a_queued_job_is_cancelled_at_once(harness):
    submit(harness, "a")
    assert harness.ledger.cancel("a").state is JobState.CANCELLED
    assert claim(harness) == []


def test_a_running_job_is_cancelled_only_when_its_worker_agrees(harness):
    submit(harness, "a")
    claims = claim(harness)
    assert harness.ledger.cancel_claimed(claims) == [False], "nobody asked yet"
    record = harness.ledger.cancel("a")
    assert (record.state, record.cancel_requested) == (JobState.RUNNING, True)
    assert harness.ledger.renew(claims) == [LeaseStatus.CANCEL]
    assert harness.ledger.cancel_claimed(claims) == [True]
    assert state(harness, "a") is JobState.CANCELLED


def test_a_result_that_was_already_made_outlives_a_late_cancellation(harness):
    submit(harness, "a")
    claims = claim(harness)
    harness.ledger.cancel("a")
    assert harness.ledger.complete([Completion(claims[0], "r")]).applied == [True]
    assert harness.ledger.cancel("a").state is JobState.SUCCEEDED


@pytest.mark.parametrize("ending", ["release", "crash", "retry"])
def test_a_cancelled_job_does_not_run_again(harness, ending):
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


def test_a_job_past_its_deadline_expires_where_it_is_met(harness):
    submit(harness, "swept", "claimed", "running", deadline_ms=500)
    running = [c for c in claim(harness) if c.job_id == "running"]
    harness.ledger.release([c for c in claim(harness) if c.job_id != "running"])
    harness.advance(500)
    assert harness.ledger.renew(running) == [LeaseStatus.LOST]
    assert state(harness, "running") is JobState.EXPIRED


def test_a_waiting_job_past_its_deadline_is_not_run(harness):
    submit(harness, "a", deadline_ms=50)
    harness.advance(50)
    assert claim(harness) == []
    assert state(harness, "a") is JobState.EXPIRED


def test_the_sweep_expires_what_nobody_claims(harness):
    submit(harness, "a", deadline_ms=50)
    harness.advance(50)
    assert harness.ledger.sweep().examined == 1
    assert state(harness, "a") is JobState.EXPIRED


def test_an_idle_lane_is_rung_once_and_a_long_one_more_often(harness):
    rings = []
    for n in range(5):
        rings.append(harness.ledger.submit(Submission(str(n), LANE, "")).notify)
        if rings[-1]:
            harness.add_unread_wakeup(wakeup_queue(LANE))
    assert rings == [True, False, True, False, True]


def test_a_hint_that_got_lost_is_sent_again_by_the_sweep(harness):
    submit(harness, *"abcdefgh")
    harness.advance(100)
    assert harness.ledger.sweep().wakeups == {LANE: 3}, "no more than the policy's most"
    for _ in range(3):
        harness.add_unread_wakeup(wakeup_queue(LANE))
    harness.advance(400)
    assert harness.ledger.sweep().wakeups == {}, "unread hints are enough"


def test_the_sweep_takes_no_more_than_its_limit(harness):
    submit(harness, *"abcde")
    harness.advance(100)
    assert [harness.ledger.sweep(limit=2).examined for _ in range(4)] == [2, 2, 1, 0]


def test_a_key_stands_for_one_request_before_and_after_completion(harness):
    key = IdempotencyKey("k", "digest of the request")
    assert harness.ledger.reserve(key, "a", context=CONTEXT).status is ReservationStatus.NEW
    assert harness.ledger.reserve(key, "b", context=CONTEXT).status is ReservationStatus.BUSY
    harness.ledger.submit(Submission("a", LANE, "", key=key))
    for _ in range(2):
        answer = harness.ledger.reserve(key, "b", context=CONTEXT)
        assert (answer.status, answer.job_id) == (ReservationStatus.ACCEPTED, "a")
        if claims := claim(harness):
            harness.ledger.complete([Completion(claims[0], "r")])
    other = IdempotencyKey("k", "another request")
    assert harness.ledger.reserve(other, "b", context=CONTEXT).status is ReservationStatus.REUSED


def test_a_reservation_that_was_never_used_hands_on_its_id(harness):
    key = IdempotencyKey("k", "digest")
    harness.ledger.reserve(key, "a", context=CONTEXT)
    harness.advance(30_000)
    answer = harness.ledger.reserve(key, "b", context=CONTEXT)
    assert (answer.status, answer.job_id) == (ReservationStatus.NEW, "a")


def test_a_key_whose_request_failed_is_free_at_once_and_keeps_its_id(harness):
    key = IdempotencyKey("k", "digest")
    harness.ledger.reserve(key, "a", context=CONTEXT)
    assert not harness.ledger.release_reservation(key, "b", context=CONTEXT), (
        "not this request's to free"
    )
    assert harness.ledger.release_reservation(key, "a", context=CONTEXT)
    answer = harness.ledger.reserve(key, "b", context=CONTEXT)
    assert (answer.status, answer.job_id) == (ReservationStatus.NEW, "a")


def test_a_key_whose_job_was_accepted_after_all_is_not_freed(harness):
    key = IdempotencyKey("k", "digest")
    harness.ledger.reserve(key, "a", context=CONTEXT)
    harness.ledger.submit(Submission("a", LANE, "", key=key))
    assert not harness.ledger.release_reservation(key, "a", context=CONTEXT)
    assert harness.ledger.reserve(key, "b", context=CONTEXT).status is ReservationStatus.ACCEPTED
    assert not harness.ledger.release_reservation(
        IdempotencyKey("unknown", "digest"), "a", context=CONTEXT
    )


def test_every_change_of_state_is_an_event_in_order(harness):
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


def ids(records) -> list[str]:
    return [record.job_id for record in records]


def test_every_outcome_but_success_waits_to_be_filed_until_it_is(harness):
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
    assert harness.ledger.list_unarchived(limit=1) == [harness.ledger.read("fails")]
    assert ids(harness.ledger.list_unarchived()) == ["fails", "cancelled", "expires"]
    harness.ledger.mark_archived(["fails", "expires", "never heard of"])
    assert ids(harness.ledger.list_unarchived()) == ["cancelled"]


def test_a_job_that_will_be_tried_again_has_no_outcome_to_file(harness):
    submit(harness, "a")
    harness.ledger.fail([JobFailure(claim(harness)[0], "x", "y", retry_in_ms=1)])
    assert harness.ledger.list_unarchived() == []
    assert harness.ledger.list_dead_letters() == []


def test_failed_jobs_are_dead_letters_until_they_are_buried(harness):
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


def test_a_restored_job_goes_before_those_accepted_since_and_is_rung_for_at_once(harness):
    submit(harness, "new")
    for job_id, ago_ms in (("second", 10), ("first", 90_000)):
        lost = JobRestoration(Submission(job_id, LANE, f"text of {job_id}"), START_MS - ago_ms)
        assert harness.ledger.restore(lost)
    record = harness.ledger.read("first")
    assert (record.state, record.job, record.attempts) == (JobState.QUEUED, "text of first", 0)
    assert record.submitted_ms == START_MS - 90_000
    assert harness.ledger.sweep().wakeups == {LANE: 2}
    assert [c.job_id for c in claim(harness)] == ["first", "second", "new"]


def test_a_known_job_is_not_restored(harness):
    submit(harness, "a")
    ended = JobOutcome(JobState.FAILED, finished_ms=START_MS)
    assert not harness.ledger.restore(JobRestoration(Submission("a", LANE, "x"), START_MS, ended))
    assert state(harness, "a") is JobState.QUEUED
    assert harness.ledger.counts().accepted == 1


def test_a_claim_from_before_the_loss_cannot_finish_the_restored_job(harness):
    submit(harness, "a")
    old = claim(harness)
    start_afresh(harness)
    harness.ledger.restore(JobRestoration(Submission("a", LANE, "text of a"), START_MS))
    new = claim(harness)
    assert harness.ledger.renew(old) == [LeaseStatus.LOST]
    assert harness.ledger.complete([Completion(old[0], "stale")]).applied == [False]
    assert harness.ledger.complete([Completion(new[0], "fresh")]).applied == [True]


def start_afresh(harness: LedgerHarness) -> None:
    """Lose everything, in place."""
    harness.__init__(*([harness.client] if isinstance(harness, RedisHarness) else []))


def test_a_restored_outcome_is_as_it_was(harness):
    outcome = JobOutcome(
        state=JobState.FAILED,
        finished_ms=START_MS - 500,
        attempts=3,
        crashes=2,
        started_ms=START_MS - 800,
        error_code="worker_lost",
        error_detail="The worker died.",
    )
    assert harness.ledger.restore(
        JobRestoration(Submission("a", LANE, "x"), START_MS - 900, outcome)
    )
    record = harness.ledger.read("a")
    assert (record.state, record.error_code) == (JobState.FAILED, "worker_lost")
    assert (record.attempts, record.crashes) == (3, 2)
    assert (record.submitted_ms, record.started_ms, record.finished_ms) == (
        START_MS - 900,
        START_MS - 800,
        START_MS - 500,
    )
    assert ids(harness.ledger.list_dead_letters()) == ["a"]
    assert harness.ledger.list_unarchived() == [], "the store told us"
    assert claim(harness) == []
    assert harness.ledger.counts().terminal == {JobState.FAILED: 1}


def test_an_outcome_past_its_retention_is_not_restored(harness):
    week_ms = 7 * 86_400_000
    past = JobOutcome(JobState.SUCCEEDED, finished_ms=START_MS - week_ms, result="r")
    lost = JobRestoration(Submission("a", LANE, "x"), START_MS - week_ms, past)
    assert not harness.ledger.restore(lost)
    assert harness.ledger.read("a") is None
    assert harness.ledger.counts().accepted == 0


def test_the_deadline_of_a_restored_job_counts_from_its_own_time(harness):
    for job_id, ago_ms in (("late", 2_000), ("early", 0)):
        submission = Submission(job_id, LANE, "x", deadline_ms=1_000)
        harness.ledger.restore(JobRestoration(submission, START_MS - ago_ms))
    harness.ledger.sweep()
    assert state(harness, "late") is JobState.EXPIRED
    assert state(harness, "early") is JobState.QUEUED


def test_a_restored_job_takes_its_key_back_unless_another_holds_it(harness):
    mine, taken = IdempotencyKey("k", "digest"), IdempotencyKey("l", "digest")
    harness.ledger.reserve(taken, "other", context=CONTEXT)
    harness.ledger.restore(JobRestoration(Submission("a", LANE, "x", key=mine), START_MS))
    harness.ledger.restore(JobRestoration(Submission("b", LANE, "x", key=taken), START_MS))
    answer = harness.ledger.reserve(mine, "new", context=CONTEXT)
    assert (answer.status, answer.job_id) == (ReservationStatus.ACCEPTED, "a")
    assert harness.ledger.reserve(taken, "new", context=CONTEXT).job_id == "other"


def test_a_request_whose_job_is_restored_under_its_hands_keeps_its_key(harness):
    key = IdempotencyKey("k", "digest")
    harness.ledger.reserve(key, "a", context=CONTEXT)
    harness.ledger.restore(JobRestoration(Submission("a", LANE, "x", key=key), START_MS))
    assert not harness.ledger.submit(Submission("a", LANE, "x", key=key)).created
    assert harness.ledger.reserve(key, "b", context=CONTEXT).status is ReservationStatus.ACCEPTED


def test_an_empty_ledger_is_nobodys_until_it_is_marked(harness):
    fresh = harness.ledger.epoch_marker()
    assert (fresh.epoch, fresh.marked_by) == (None, None)
    assert not harness.ledger.set_epoch("e", owner="me"), "only the leader marks"
    assert harness.ledger.acquire_leadership("me", lease_ms=100)
    assert harness.ledger.set_epoch("e", owner="me")
    marked = harness.ledger.epoch_marker()
    assert (marked.epoch, marked.marked_by) == ("e", marked.server)
    assert marked.server == fresh.server


def test_one_leads_until_its_lease_is_over(harness):
    assert harness.ledger.acquire_leadership("a", lease_ms=100)
    assert not harness.ledger.acquire_leadership("b", lease_ms=100)
    harness.advance(99)
    assert harness.ledger.renew_leadership("a", lease_ms=100)
    harness.advance(100)
    assert harness.ledger.acquire_leadership("b", lease_ms=100)
    assert not harness.ledger.renew_leadership("a", lease_ms=100)
    assert not harness.ledger.set_epoch("e", owner="a")


def test_a_lead_that_was_lost_with_everything_else_is_not_kept(harness):
    assert harness.ledger.acquire_leadership("a", lease_ms=100)
    start_afresh(harness)
    assert not harness.ledger.renew_leadership("a", lease_ms=100)
    assert not harness.ledger.set_epoch("e", owner="a")


def test_the_ledger_says_that_it_is_there(harness):
    harness.ledger.check()


def flood(harness: LedgerHarness, tenant: str, count: int, **more: str) -> list[str]:
    names = [f"{tenant}{n}" for n in range(count)]
    for name in names:
        harness.ledger.submit(Submission(name, LANE, "x", context=RequestContext(tenant), **more))
    return names


def test_tenants_take_turns_however_much_one_has_queued(harness):
    flood(harness, "a", 6)
    flood(harness, "b", 2)
    assert ids(claim(harness, limit=5)) == ["a0", "b0", "a1", "b1", "a2"]
    flood(harness, "c", 2)
    assert ids(claim(harness, limit=5)) == ["c0", "a3", "c1", "a4", "a5"]


def test_leaving_and_coming_back_gains_no_turn(harness):
    flood(harness, "b", 3)
    served = []
    for n in range(3):
        harness.ledger.submit(Submission(f"a{n}", LANE, "x", context=A))
        served += ids(claim(harness, limit=1))
    assert served == ["a0", "b0", "a1"]


def test_the_position_counts_the_turns_of_others(harness):
    flood(harness, "a", 6)
    flood(harness, "b", 2)
    positions = {
        name: harness.ledger.queue_position(harness.ledger.read(name)) for name in ("b1", "a5")
    }
    assert positions == {"b1": 4, "a5": 8}
    order = ids(claim(harness, limit=8))
    assert {name: order.index(name) + 1 for name in positions} == positions


def test_a_tenant_with_a_full_queue_is_refused_and_others_are_not(harness):
    flood(harness, "a", 10)
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


def test_a_full_lane_refuses_everybody_until_something_ends(harness):
    flood(harness, "a", 10)
    flood(harness, "b", 2)
    assert harness.ledger.reached_limit(LANE, context=C) == QueueLimit(LimitScope.LANE, 60_000)
    harness.ledger.cancel("a0")
    assert harness.ledger.reached_limit(LANE, context=C) is None
    assert harness.ledger.counts().open == {LANE: 11}


def test_when_to_come_back_is_told_by_the_pace_of_the_last_minute(harness):
    flood(harness, "a", 10)
    for job in claim(harness, limit=4):
        harness.ledger.complete([Completion(job, "r")])
    flood(harness, "b", 2)
    flood(harness, "c", 4)
    # Twelve are open, ten would be nine tenths of the limit, and four a minute end.
    assert harness.ledger.reached_limit(LANE, context=D) == QueueLimit(LimitScope.LANE, 30_000)
    harness.advance(60_000)
    assert harness.ledger.reached_limit(LANE, context=D) == QueueLimit(LimitScope.LANE, 30_000)
    harness.advance(60_000)
    assert harness.ledger.reached_limit(LANE, context=D) == QueueLimit(LimitScope.LANE, 60_000), (
        "nothing ends now"
    )


def ask_alike(harness: LedgerHarness, *job_ids: str, lane: str = LANE, **more: object) -> None:
    for job_id in job_ids:
        harness.ledger.submit(Submission(job_id, lane, "same", fingerprint="f", **more))


def outcome(harness: LedgerHarness, job_id: str):
    record = harness.ledger.read(job_id)
    return record.state, record.cached, record.attempts


def test_who_asks_the_same_waits_for_one_computation_and_gets_its_result(harness):
    ask_alike(harness, "a", "b")
    (only,) = claim(harness)
    ask_alike(harness, "c", lane=lane_of("vgg16", Priority.BATCH))
    assert claim(harness) == []
    assert set(harness.due()) == {"a", "b", "c"}, "I1"
    harness.ledger.complete([Completion(only, "the result")])
    assert outcome(harness, "a") == (JobState.SUCCEEDED, False, 1)
    for follower in "bc":
        assert outcome(harness, follower) == (JobState.SUCCEEDED, True, 0)
        assert harness.ledger.read(follower).result == "the result"
    assert ids(harness.ledger.list_unarchived()) == ["b", "c"], (
        "their results are under another's name"
    )


def test_who_asks_the_same_later_has_the_result_at_once(harness):
    ask_alike(harness, "a")
    harness.ledger.complete([Completion(claim(harness)[0], "r")])
    receipt = harness.ledger.submit(Submission("b", LANE, "same", fingerprint="f"))
    assert (receipt.created, receipt.notify) == (True, False)
    assert outcome(harness, "b") == (JobState.SUCCEEDED, True, 0)
    harness.ledger.submit(Submission("own", LANE, "same"))
    assert ids(claim(harness)) == ["own"], "who does not want another's is computed"


def test_a_failure_is_shared_with_those_who_wait_and_not_with_those_who_come_later(harness):
    ask_alike(harness, "a", "b")
    harness.ledger.fail([JobFailure(claim(harness)[0], "broken_image", "it is broken")])
    assert outcome(harness, "b") == (JobState.FAILED, True, 0)
    assert harness.ledger.read("b").error_code == "broken_image"
    ask_alike(harness, "c")
    assert ids(claim(harness)) == ["c"]


@pytest.mark.parametrize("end", ["cancelled", "withdrawn", "expired"])
def test_where_the_first_comes_to_no_outcome_the_next_computes(harness, end):
    ask_alike(harness, "a", deadline_ms=50 if end == "expired" else None)
    ask_alike(harness, "b", "c")
    if end == "cancelled":
        harness.ledger.cancel("a")
    elif end == "withdrawn":
        taken = claim(harness)
        harness.ledger.cancel("a")
        harness.ledger.cancel_claimed(taken)
    harness.advance(100)
    harness.ledger.sweep()
    (heir,) = claim(harness)
    assert heir.job_id == "b"
    harness.ledger.complete([Completion(heir, "r")])
    assert outcome(harness, "c") == (JobState.SUCCEEDED, True, 0)


def test_who_waits_can_be_cancelled_and_expires_alone(harness):
    ask_alike(harness, "a", "b")
    ask_alike(harness, "c", deadline_ms=50)
    assert harness.ledger.cancel("b").state is JobState.CANCELLED
    harness.advance(100)
    harness.ledger.sweep()
    assert state(harness, "c") is JobState.EXPIRED
    assert ids(claim(harness)) == ["a"]


def test_an_interactive_job_does_not_wait_for_one_in_the_lane_behind(harness):
    ask_alike(harness, "slow", lane=lane_of("vgg16", Priority.BATCH))
    ask_alike(harness, "fast")
    fast, slow = claim(harness, limit=2)
    assert (fast.job_id, slow.job_id) == ("fast", "slow")


def test_the_followers_of_a_poison_job_do_not_each_kill_three_workers(harness):
    ask_alike(harness, "poison", "b", "c")
    for owner in ("w1", "w2", "w3"):
        assert ids(claim(harness, owner=owner)) == ["poison"]
        harness.advance(1_000)
        harness.ledger.sweep()
    assert [outcome(harness, job)[:2] for job in "bc"] == [(JobState.FAILED, True)] * 2
    assert harness.ledger.read("c").error_code == "worker_lost"


def test_a_shared_outcome_is_restored_as_it_was_filed(harness):
    shared = JobOutcome(JobState.SUCCEEDED, START_MS, cached=True, result="another's")
    harness.ledger.restore(JobRestoration(Submission("a", LANE, "x"), START_MS, shared))
    assert outcome(harness, "a") == (JobState.SUCCEEDED, True, 0)


def test_a_job_given_back_for_a_while_is_uncharged_and_waits(harness):
    submit(harness, "a")
    assert harness.ledger.release(claim(harness), retry_in_ms=200) == [True]
    assert claim(harness) == []
    harness.advance(200)
    assert harness.ledger.sweep().wakeups == {LANE: 1}
    assert claim(harness)[0].attempt == 1
