"""What every ledger promises, on the twin and on real servers alike."""

from collections.abc import Iterator

import pytest

from ledgers.bench import START_MS, Bench, MemoryBench, RedisBench
from ledgers.positions import latest
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
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority

CONTEXT = RequestContext()
A, B, C, D = map(RequestContext, "abcd")
LANE = lane_of("vgg16", Priority.INTERACTIVE)
LANES = lanes_of("vgg16")


@pytest.fixture(params=["memory", "valkey", "redis_server"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "memory":
        yield MemoryBench()
    else:
        with request.getfixturevalue(request.param).client() as client:
            yield RedisBench(client)


@pytest.fixture(autouse=True)
def _books_balance(bench: Bench) -> Iterator[None]:
    """I5, and I1 as far as counting goes, at the end of every test."""
    yield
    counts = bench.ledger.counts()
    assert counts.drift == 0
    assert counts.non_terminal == len(bench.due())


def submit(bench: Bench, *job_ids: str, lane: str = LANE, deadline_ms: int | None = None) -> None:
    for job_id in job_ids:
        bench.ledger.submit(Submission(job_id, lane, f"text of {job_id}", deadline_ms))


def claim(bench: Bench, limit: int = 8, owner: str = "w1"):
    return bench.ledger.claim(LANES, owner=owner, limit=limit)


def state(bench: Bench, job_id: str) -> JobState:
    record = bench.ledger.read(job_id)
    assert record is not None
    return record.state


def test_a_submitted_job_waits_in_its_lane_and_is_due(bench):
    submit(bench, "a")
    record = bench.ledger.read("a")
    assert (record.state, record.lane, record.job) == (JobState.QUEUED, LANE, "text of a")
    assert record.submitted_ms == START_MS
    assert bench.ledger.queue_position(record) == 1
    assert bench.due() == {"a": START_MS + 100}


def test_submitting_an_id_again_changes_nothing(bench):
    submit(bench, "a")
    assert not bench.ledger.submit(Submission("a", LANE, "other text")).created
    assert bench.ledger.read("a").job == "text of a"
    assert bench.ledger.counts().accepted == 1


def test_an_unknown_job_is_none(bench):
    assert bench.ledger.read("nobody") is None
    assert bench.ledger.cancel("nobody") is None


def test_jobs_are_claimed_in_order_and_charged_an_attempt(bench):
    submit(bench, "a", "b", "c")
    claims = claim(bench, limit=2)
    assert [(c.job_id, c.fence, c.attempt, c.job) for c in claims] == [
        ("a", 1, 1, "text of a"),
        ("b", 1, 1, "text of b"),
    ]
    record = bench.ledger.read("a")
    assert (record.state, record.owner, record.started_ms) == (JobState.RUNNING, "w1", START_MS)
    assert bench.due()["a"] == START_MS + 1_000
    assert bench.ledger.queue_position(bench.ledger.read("c")) == 1


def test_interactive_jobs_go_before_batch_jobs(bench):
    submit(bench, "slow", lane=lane_of("vgg16", Priority.BATCH))
    submit(bench, "fast")
    assert [c.job_id for c in claim(bench)] == ["fast", "slow"]


def test_nobody_claims_another_models_jobs(bench):
    submit(bench, "a", lane=lane_of("other", Priority.INTERACTIVE))
    assert claim(bench) == []


def test_a_completed_job_keeps_its_result_for_good(bench):
    submit(bench, "a")
    claims = claim(bench)
    assert bench.ledger.complete([Completion(claims[0], "the result")]) == [True]
    assert bench.ledger.complete([Completion(claims[0], "another")]) == [False]
    assert bench.ledger.fail([JobFailure(claims[0], "x", "y")]) == [False]
    record = bench.ledger.read("a")
    assert (record.state, record.result, record.owner) == (JobState.SUCCEEDED, "the result", None)
    assert bench.due() == {}


def test_a_batch_may_finish_in_parts(bench):
    submit(bench, "a", "b")
    a, b = claim(bench)
    assert bench.ledger.complete([Completion(b, "r")]) == [True]
    assert bench.ledger.fail([JobFailure(a, "broken_image", "it is broken")]) == [True]
    record = bench.ledger.read("a")
    assert (record.state, record.error_code) == (JobState.FAILED, "broken_image")
    assert record.error_detail == "it is broken"
    assert bench.ledger.counts().terminal == {JobState.SUCCEEDED: 1, JobState.FAILED: 1}


def test_a_transient_failure_waits_and_runs_again(bench):
    submit(bench, "a")
    bench.ledger.fail([JobFailure(claim(bench)[0], "store_unavailable", "", retry_in_ms=50)])
    assert state(bench, "a") is JobState.QUEUED
    assert claim(bench) == []
    bench.tick(50)
    assert bench.ledger.sweep().wakeups == {LANE: 1}
    assert claim(bench)[0].attempt == 2


def test_the_last_attempt_fails_for_good_however_transient(bench):
    submit(bench, "a")
    for _ in range(3):
        bench.ledger.fail([JobFailure(claim(bench)[0], "out_of_memory", "full", retry_in_ms=10)])
        bench.tick(10)
        bench.ledger.sweep()
    assert state(bench, "a") is JobState.FAILED
    assert bench.ledger.read("a").attempts == 3


def test_a_released_job_is_uncharged_and_keeps_its_place(bench):
    submit(bench, "a", "b")
    first = claim(bench, limit=1)
    assert bench.ledger.release(first) == [True]
    assert bench.ledger.read("a").attempts == 0
    assert [c.job_id for c in claim(bench)] == ["a", "b"]


def test_a_renewed_lease_outlasts_the_old_one(bench):
    submit(bench, "a")
    claims = claim(bench)
    bench.tick(900)
    assert bench.ledger.renew(claims) == [LeaseStatus.HELD]
    bench.tick(900)
    assert bench.ledger.sweep().examined == 0
    assert state(bench, "a") is JobState.RUNNING


def test_a_job_whose_worker_died_runs_again_and_the_dead_one_cannot_finish_it(bench):
    submit(bench, "a")
    old = claim(bench)
    bench.tick(1_000)
    assert bench.ledger.sweep().wakeups == {LANE: 1}
    new = claim(bench, owner="w2")
    assert (new[0].fence, new[0].attempt) == (2, 2)
    assert bench.ledger.renew(old) == [LeaseStatus.LOST]
    assert bench.ledger.complete([Completion(old[0], "stale")]) == [False]
    assert bench.ledger.release(old) == [False]
    assert bench.ledger.complete([Completion(new[0], "fresh")]) == [True]
    assert bench.ledger.read("a").result == "fresh"


def test_after_a_crash_each_job_runs_alone_in_its_process(bench):
    submit(bench, "a", "b")
    claim(bench, owner="dead")
    bench.tick(1_000)
    bench.ledger.sweep()
    submit(bench, "fresh")
    suspect = claim(bench, owner="w1")
    assert [c.job_id for c in suspect] == ["a"]
    assert [c.job_id for c in claim(bench, owner="w2")] == ["b"], "another process may"
    bench.ledger.complete([Completion(suspect[0], "r")])
    assert [c.job_id for c in claim(bench, owner="w1")] == ["fresh"]


def test_nothing_joins_a_suspect_in_its_process(bench):
    submit(bench, "a")
    claim(bench, owner="dead")
    bench.tick(1_000)
    bench.ledger.sweep()
    suspect = claim(bench, owner="w1")
    submit(bench, "fresh")
    assert claim(bench, owner="w1") == []
    bench.ledger.complete([Completion(suspect[0], "r")])
    assert [c.job_id for c in claim(bench, owner="w1")] == ["fresh"]


def test_a_suspect_waits_until_its_process_holds_nothing_else(bench):
    submit(bench, "a")
    claim(bench, owner="dead")
    submit(bench, "busy")
    busy = claim(bench, owner="w1")
    bench.tick(900)
    bench.ledger.renew(busy)
    bench.tick(100)
    bench.ledger.sweep()
    assert claim(bench, owner="w1") == []
    bench.ledger.complete([Completion(busy[0], "r")])
    assert [c.job_id for c in claim(bench, owner="w1")] == ["a"]


def test_a_job_that_kills_every_worker_fails_after_three(bench):
    submit(bench, "poison")
    for owner in ("w1", "w2", "w3"):
        assert [c.job_id for c in claim(bench, owner=owner)] == ["poison"]
        bench.tick(1_000)
        bench.ledger.sweep()
    record = bench.ledger.read("poison")
    assert (record.state, record.error_code) == (JobState.FAILED, "worker_lost")
    assert (record.attempts, record.crashes) == (3, 3)
    assert claim(bench) == []


def test_a_queued_job_is_cancelled_at_once(bench):
    submit(bench, "a")
    assert bench.ledger.cancel("a").state is JobState.CANCELLED
    assert claim(bench) == []


def test_a_running_job_is_cancelled_only_when_its_worker_agrees(bench):
    submit(bench, "a")
    claims = claim(bench)
    assert bench.ledger.cancel_claimed(claims) == [False], "nobody asked yet"
    record = bench.ledger.cancel("a")
    assert (record.state, record.cancel_requested) == (JobState.RUNNING, True)
    assert bench.ledger.renew(claims) == [LeaseStatus.CANCEL]
    assert bench.ledger.cancel_claimed(claims) == [True]
    assert state(bench, "a") is JobState.CANCELLED


def test_a_result_that_was_already_made_outlives_a_late_cancellation(bench):
    submit(bench, "a")
    claims = claim(bench)
    bench.ledger.cancel("a")
    assert bench.ledger.complete([Completion(claims[0], "r")]) == [True]
    assert bench.ledger.cancel("a").state is JobState.SUCCEEDED


@pytest.mark.parametrize("ending", ["release", "crash", "retry"])
def test_a_cancelled_job_does_not_run_again(bench, ending):
    submit(bench, "a")
    claims = claim(bench)
    bench.ledger.cancel("a")
    if ending == "release":
        bench.ledger.release(claims)
    elif ending == "retry":
        bench.ledger.fail([JobFailure(claims[0], "x", "y", retry_in_ms=1)])
    else:
        bench.tick(1_000)
        bench.ledger.sweep()
    assert state(bench, "a") is JobState.CANCELLED


def test_a_job_past_its_deadline_expires_where_it_is_met(bench):
    submit(bench, "swept", "claimed", "running", deadline_ms=500)
    running = [c for c in claim(bench) if c.job_id == "running"]
    bench.ledger.release([c for c in claim(bench) if c.job_id != "running"])
    bench.tick(500)
    assert bench.ledger.renew(running) == [LeaseStatus.LOST]
    assert state(bench, "running") is JobState.EXPIRED


def test_a_waiting_job_past_its_deadline_is_not_run(bench):
    submit(bench, "a", deadline_ms=50)
    bench.tick(50)
    assert claim(bench) == []
    assert state(bench, "a") is JobState.EXPIRED


def test_the_sweep_expires_what_nobody_claims(bench):
    submit(bench, "a", deadline_ms=50)
    bench.tick(50)
    assert bench.ledger.sweep().examined == 1
    assert state(bench, "a") is JobState.EXPIRED


def test_an_idle_lane_is_rung_once_and_a_long_one_more_often(bench):
    rings = []
    for n in range(5):
        rings.append(bench.ledger.submit(Submission(str(n), LANE, "")).notify)
        if rings[-1]:
            bench.leave_hint(LANE)
    assert rings == [True, False, True, False, True]


def test_a_hint_that_got_lost_is_sent_again_by_the_sweep(bench):
    submit(bench, *"abcdefgh")
    bench.tick(100)
    assert bench.ledger.sweep().wakeups == {LANE: 3}, "no more than the policy's most"
    for _ in range(3):
        bench.leave_hint(LANE)
    bench.tick(400)
    assert bench.ledger.sweep().wakeups == {}, "unread hints are enough"


def test_the_sweep_takes_no_more_than_its_limit(bench):
    submit(bench, *"abcde")
    bench.tick(100)
    assert [bench.ledger.sweep(limit=2).examined for _ in range(4)] == [2, 2, 1, 0]


def test_a_key_stands_for_one_request_before_and_after_completion(bench):
    key = IdempotencyKey("k", "digest of the request")
    assert bench.ledger.reserve(key, "a", context=CONTEXT).status is ReservationStatus.NEW
    assert bench.ledger.reserve(key, "b", context=CONTEXT).status is ReservationStatus.BUSY
    bench.ledger.submit(Submission("a", LANE, "", key=key))
    for _ in range(2):
        answer = bench.ledger.reserve(key, "b", context=CONTEXT)
        assert (answer.status, answer.job_id) == (ReservationStatus.ACCEPTED, "a")
        if claims := claim(bench):
            bench.ledger.complete([Completion(claims[0], "r")])
    other = IdempotencyKey("k", "another request")
    assert bench.ledger.reserve(other, "b", context=CONTEXT).status is ReservationStatus.REUSED


def test_a_reservation_that_was_never_used_hands_on_its_id(bench):
    key = IdempotencyKey("k", "digest")
    bench.ledger.reserve(key, "a", context=CONTEXT)
    bench.tick(30_000)
    answer = bench.ledger.reserve(key, "b", context=CONTEXT)
    assert (answer.status, answer.job_id) == (ReservationStatus.NEW, "a")


def test_a_key_whose_request_failed_is_free_at_once_and_keeps_its_id(bench):
    key = IdempotencyKey("k", "digest")
    bench.ledger.reserve(key, "a", context=CONTEXT)
    assert not bench.ledger.release_reservation(key, "b", context=CONTEXT), (
        "not this request's to free"
    )
    assert bench.ledger.release_reservation(key, "a", context=CONTEXT)
    answer = bench.ledger.reserve(key, "b", context=CONTEXT)
    assert (answer.status, answer.job_id) == (ReservationStatus.NEW, "a")


def test_a_key_whose_job_was_accepted_after_all_is_not_freed(bench):
    key = IdempotencyKey("k", "digest")
    bench.ledger.reserve(key, "a", context=CONTEXT)
    bench.ledger.submit(Submission("a", LANE, "", key=key))
    assert not bench.ledger.release_reservation(key, "a", context=CONTEXT)
    assert bench.ledger.reserve(key, "b", context=CONTEXT).status is ReservationStatus.ACCEPTED
    assert not bench.ledger.release_reservation(
        IdempotencyKey("unknown", "digest"), "a", context=CONTEXT
    )


def test_every_change_of_state_is_an_event_in_order(bench):
    start = latest(bench.ledger)
    submit(bench, "a")
    bench.ledger.complete([Completion(claim(bench)[0], "r")])
    events = bench.ledger.events(after=start, wait_ms=100)
    assert [(e.job_id, e.state) for e in events] == [
        ("a", JobState.RUNNING),
        ("a", JobState.SUCCEEDED),
    ]
    assert bench.ledger.events(after=events[0].position, wait_ms=100) == events[1:]
    assert bench.ledger.events(after=events[1].position, wait_ms=1) == []


def ids(records) -> list[str]:
    return [record.job_id for record in records]


def test_every_outcome_but_success_waits_to_be_filed_until_it_is(bench):
    submit(bench, "fails", "succeeds")
    fails, succeeds = claim(bench)
    bench.ledger.complete([Completion(succeeds, "r")])
    bench.ledger.fail([JobFailure(fails, "broken_image", "it is broken")])
    bench.tick(1)
    submit(bench, "cancelled", "expires", deadline_ms=10)
    bench.ledger.cancel("cancelled")
    bench.tick(100)
    bench.ledger.sweep()
    assert ids(bench.ledger.list_unarchived(limit=2)) == ["fails", "cancelled"], "the oldest first"
    assert bench.ledger.list_unarchived(limit=1) == [bench.ledger.read("fails")]
    assert ids(bench.ledger.list_unarchived()) == ["fails", "cancelled", "expires"]
    bench.ledger.mark_archived(["fails", "expires", "never heard of"])
    assert ids(bench.ledger.list_unarchived()) == ["cancelled"]


def test_a_job_that_will_be_tried_again_has_no_outcome_to_file(bench):
    submit(bench, "a")
    bench.ledger.fail([JobFailure(claim(bench)[0], "x", "y", retry_in_ms=1)])
    assert bench.ledger.list_unarchived() == []
    assert bench.ledger.list_dead_letters() == []


def test_failed_jobs_are_dead_letters_until_they_are_buried(bench):
    submit(bench, "a", "b", "c")
    a, b, _ = claim(bench)
    bench.ledger.cancel("c")
    bench.ledger.fail([JobFailure(b, "x", "y")])
    bench.tick(1)
    bench.ledger.fail([JobFailure(a, "x", "y")])
    assert ids(bench.ledger.list_dead_letters()) == ["b", "a"]
    assert ids(bench.ledger.list_dead_letters(limit=1)) == ["b"]
    assert bench.ledger.dismiss(["b", "c"]) == 1
    assert bench.ledger.dismiss(["b"]) == 0
    assert ids(bench.ledger.list_dead_letters()) == ["a"]
    assert state(bench, "b") is JobState.FAILED, "the record stays"


def test_a_restored_job_goes_before_those_accepted_since_and_is_rung_for_at_once(bench):
    submit(bench, "new")
    for job_id, ago_ms in (("second", 10), ("first", 90_000)):
        lost = JobRestoration(Submission(job_id, LANE, f"text of {job_id}"), START_MS - ago_ms)
        assert bench.ledger.restore(lost)
    record = bench.ledger.read("first")
    assert (record.state, record.job, record.attempts) == (JobState.QUEUED, "text of first", 0)
    assert record.submitted_ms == START_MS - 90_000
    assert bench.ledger.sweep().wakeups == {LANE: 2}
    assert [c.job_id for c in claim(bench)] == ["first", "second", "new"]


def test_a_known_job_is_not_restored(bench):
    submit(bench, "a")
    ended = JobOutcome(JobState.FAILED, finished_ms=START_MS)
    assert not bench.ledger.restore(JobRestoration(Submission("a", LANE, "x"), START_MS, ended))
    assert state(bench, "a") is JobState.QUEUED
    assert bench.ledger.counts().accepted == 1


def test_a_claim_from_before_the_loss_cannot_finish_the_restored_job(bench):
    submit(bench, "a")
    old = claim(bench)
    start_afresh(bench)
    bench.ledger.restore(JobRestoration(Submission("a", LANE, "text of a"), START_MS))
    new = claim(bench)
    assert bench.ledger.renew(old) == [LeaseStatus.LOST]
    assert bench.ledger.complete([Completion(old[0], "stale")]) == [False]
    assert bench.ledger.complete([Completion(new[0], "fresh")]) == [True]


def start_afresh(bench: Bench) -> None:
    """Lose everything, in place."""
    bench.__init__(*([bench.client] if isinstance(bench, RedisBench) else []))


def test_a_restored_outcome_is_as_it_was(bench):
    outcome = JobOutcome(
        state=JobState.FAILED,
        finished_ms=START_MS - 500,
        attempts=3,
        crashes=2,
        started_ms=START_MS - 800,
        error_code="worker_lost",
        error_detail="The worker died.",
    )
    assert bench.ledger.restore(JobRestoration(Submission("a", LANE, "x"), START_MS - 900, outcome))
    record = bench.ledger.read("a")
    assert (record.state, record.error_code) == (JobState.FAILED, "worker_lost")
    assert (record.attempts, record.crashes) == (3, 2)
    assert (record.submitted_ms, record.started_ms, record.finished_ms) == (
        START_MS - 900,
        START_MS - 800,
        START_MS - 500,
    )
    assert ids(bench.ledger.list_dead_letters()) == ["a"]
    assert bench.ledger.list_unarchived() == [], "the store told us"
    assert claim(bench) == []
    assert bench.ledger.counts().terminal == {JobState.FAILED: 1}


def test_an_outcome_past_its_retention_is_not_restored(bench):
    week_ms = 7 * 86_400_000
    past = JobOutcome(JobState.SUCCEEDED, finished_ms=START_MS - week_ms, result="r")
    lost = JobRestoration(Submission("a", LANE, "x"), START_MS - week_ms, past)
    assert not bench.ledger.restore(lost)
    assert bench.ledger.read("a") is None
    assert bench.ledger.counts().accepted == 0


def test_the_deadline_of_a_restored_job_counts_from_its_own_time(bench):
    for job_id, ago_ms in (("late", 2_000), ("early", 0)):
        submission = Submission(job_id, LANE, "x", deadline_ms=1_000)
        bench.ledger.restore(JobRestoration(submission, START_MS - ago_ms))
    bench.ledger.sweep()
    assert state(bench, "late") is JobState.EXPIRED
    assert state(bench, "early") is JobState.QUEUED


def test_a_restored_job_takes_its_key_back_unless_another_holds_it(bench):
    mine, taken = IdempotencyKey("k", "digest"), IdempotencyKey("l", "digest")
    bench.ledger.reserve(taken, "other", context=CONTEXT)
    bench.ledger.restore(JobRestoration(Submission("a", LANE, "x", key=mine), START_MS))
    bench.ledger.restore(JobRestoration(Submission("b", LANE, "x", key=taken), START_MS))
    answer = bench.ledger.reserve(mine, "new", context=CONTEXT)
    assert (answer.status, answer.job_id) == (ReservationStatus.ACCEPTED, "a")
    assert bench.ledger.reserve(taken, "new", context=CONTEXT).job_id == "other"


def test_a_request_whose_job_is_restored_under_its_hands_keeps_its_key(bench):
    key = IdempotencyKey("k", "digest")
    bench.ledger.reserve(key, "a", context=CONTEXT)
    bench.ledger.restore(JobRestoration(Submission("a", LANE, "x", key=key), START_MS))
    assert not bench.ledger.submit(Submission("a", LANE, "x", key=key)).created
    assert bench.ledger.reserve(key, "b", context=CONTEXT).status is ReservationStatus.ACCEPTED


def test_an_empty_ledger_is_nobodys_until_it_is_marked(bench):
    fresh = bench.ledger.epoch_marker()
    assert (fresh.epoch, fresh.marked_by) == (None, None)
    assert not bench.ledger.set_epoch("e", owner="me"), "only the leader marks"
    assert bench.ledger.acquire_leadership("me", lease_ms=100)
    assert bench.ledger.set_epoch("e", owner="me")
    marked = bench.ledger.epoch_marker()
    assert (marked.epoch, marked.marked_by) == ("e", marked.server)
    assert marked.server == fresh.server


def test_one_leads_until_its_lease_is_over(bench):
    assert bench.ledger.acquire_leadership("a", lease_ms=100)
    assert not bench.ledger.acquire_leadership("b", lease_ms=100)
    bench.tick(99)
    assert bench.ledger.acquire_leadership("a", lease_ms=100, again=True)
    bench.tick(100)
    assert bench.ledger.acquire_leadership("b", lease_ms=100)
    assert not bench.ledger.acquire_leadership("a", lease_ms=100, again=True)
    assert not bench.ledger.set_epoch("e", owner="a")


def test_a_lead_that_was_lost_with_everything_else_is_not_kept(bench):
    assert bench.ledger.acquire_leadership("a", lease_ms=100)
    start_afresh(bench)
    assert not bench.ledger.acquire_leadership("a", lease_ms=100, again=True)
    assert not bench.ledger.set_epoch("e", owner="a")


def test_the_ledger_says_that_it_is_there(bench):
    bench.ledger.check()


def flood(bench: Bench, tenant: str, count: int, **more: str) -> list[str]:
    names = [f"{tenant}{n}" for n in range(count)]
    for name in names:
        bench.ledger.submit(Submission(name, LANE, "x", context=RequestContext(tenant), **more))
    return names


def test_tenants_take_turns_however_much_one_has_queued(bench):
    flood(bench, "a", 6)
    flood(bench, "b", 2)
    assert ids(claim(bench, limit=5)) == ["a0", "b0", "a1", "b1", "a2"]
    flood(bench, "c", 2)
    assert ids(claim(bench, limit=5)) == ["c0", "a3", "c1", "a4", "a5"]


def test_leaving_and_coming_back_gains_no_turn(bench):
    flood(bench, "b", 3)
    served = []
    for n in range(3):
        bench.ledger.submit(Submission(f"a{n}", LANE, "x", context=A))
        served += ids(claim(bench, limit=1))
    assert served == ["a0", "b0", "a1"]


def test_the_position_counts_the_turns_of_others(bench):
    flood(bench, "a", 6)
    flood(bench, "b", 2)
    positions = {
        name: bench.ledger.queue_position(bench.ledger.read(name)) for name in ("b1", "a5")
    }
    assert positions == {"b1": 4, "a5": 8}
    order = ids(claim(bench, limit=8))
    assert {name: order.index(name) + 1 for name in positions} == positions


def test_a_tenant_with_a_full_queue_is_refused_and_others_are_not(bench):
    flood(bench, "a", 10)
    refused = bench.ledger.submit(Submission("more", LANE, "x", context=A))
    assert not refused.created
    assert (
        refused.limit_reached
        == bench.ledger.reached_limit(LANE, context=A)
        == QueueLimit(LimitScope.TENANT, 60_000)
    )
    assert bench.ledger.read("more") is None
    assert bench.ledger.reached_limit(LANE, context=B) is None
    assert bench.ledger.submit(Submission("other", LANE, "x", context=B)).created
    assert bench.ledger.reached_limit(lane_of("vgg16", Priority.BATCH), context=A) is None


def test_a_full_lane_refuses_everybody_until_something_ends(bench):
    flood(bench, "a", 10)
    flood(bench, "b", 2)
    assert bench.ledger.reached_limit(LANE, context=C) == QueueLimit(LimitScope.LANE, 60_000)
    bench.ledger.cancel("a0")
    assert bench.ledger.reached_limit(LANE, context=C) is None
    assert bench.ledger.counts().open == {LANE: 11}


def test_when_to_come_back_is_told_by_the_pace_of_the_last_minute(bench):
    flood(bench, "a", 10)
    for job in claim(bench, limit=4):
        bench.ledger.complete([Completion(job, "r")])
    flood(bench, "b", 2)
    flood(bench, "c", 4)
    # Twelve are open, ten would be nine tenths of the limit, and four a minute end.
    assert bench.ledger.reached_limit(LANE, context=D) == QueueLimit(LimitScope.LANE, 30_000)
    bench.tick(60_000)
    assert bench.ledger.reached_limit(LANE, context=D) == QueueLimit(LimitScope.LANE, 30_000)
    bench.tick(60_000)
    assert bench.ledger.reached_limit(LANE, context=D) == QueueLimit(LimitScope.LANE, 60_000), (
        "nothing ends now"
    )


def ask_alike(bench: Bench, *job_ids: str, lane: str = LANE, **more: object) -> None:
    for job_id in job_ids:
        bench.ledger.submit(Submission(job_id, lane, "same", fingerprint="f", **more))


def outcome(bench: Bench, job_id: str):
    record = bench.ledger.read(job_id)
    return record.state, record.cached, record.attempts


def test_who_asks_the_same_waits_for_one_computation_and_gets_its_result(bench):
    ask_alike(bench, "a", "b")
    (only,) = claim(bench)
    ask_alike(bench, "c", lane=lane_of("vgg16", Priority.BATCH))
    assert claim(bench) == []
    assert set(bench.due()) == {"a", "b", "c"}, "I1"
    bench.ledger.complete([Completion(only, "the result")])
    assert outcome(bench, "a") == (JobState.SUCCEEDED, False, 1)
    for follower in "bc":
        assert outcome(bench, follower) == (JobState.SUCCEEDED, True, 0)
        assert bench.ledger.read(follower).result == "the result"
    assert ids(bench.ledger.list_unarchived()) == ["b", "c"], (
        "their results are under another's name"
    )


def test_who_asks_the_same_later_has_the_result_at_once(bench):
    ask_alike(bench, "a")
    bench.ledger.complete([Completion(claim(bench)[0], "r")])
    receipt = bench.ledger.submit(Submission("b", LANE, "same", fingerprint="f"))
    assert (receipt.created, receipt.notify) == (True, False)
    assert outcome(bench, "b") == (JobState.SUCCEEDED, True, 0)
    bench.ledger.submit(Submission("own", LANE, "same"))
    assert ids(claim(bench)) == ["own"], "who does not want another's is computed"


def test_a_failure_is_shared_with_those_who_wait_and_not_with_those_who_come_later(bench):
    ask_alike(bench, "a", "b")
    bench.ledger.fail([JobFailure(claim(bench)[0], "broken_image", "it is broken")])
    assert outcome(bench, "b") == (JobState.FAILED, True, 0)
    assert bench.ledger.read("b").error_code == "broken_image"
    ask_alike(bench, "c")
    assert ids(claim(bench)) == ["c"]


@pytest.mark.parametrize("end", ["cancelled", "withdrawn", "expired"])
def test_where_the_first_comes_to_no_outcome_the_next_computes(bench, end):
    ask_alike(bench, "a", deadline_ms=50 if end == "expired" else None)
    ask_alike(bench, "b", "c")
    if end == "cancelled":
        bench.ledger.cancel("a")
    elif end == "withdrawn":
        taken = claim(bench)
        bench.ledger.cancel("a")
        bench.ledger.cancel_claimed(taken)
    bench.tick(100)
    bench.ledger.sweep()
    (heir,) = claim(bench)
    assert heir.job_id == "b"
    bench.ledger.complete([Completion(heir, "r")])
    assert outcome(bench, "c") == (JobState.SUCCEEDED, True, 0)


def test_who_waits_can_be_cancelled_and_expires_alone(bench):
    ask_alike(bench, "a", "b")
    ask_alike(bench, "c", deadline_ms=50)
    assert bench.ledger.cancel("b").state is JobState.CANCELLED
    bench.tick(100)
    bench.ledger.sweep()
    assert state(bench, "c") is JobState.EXPIRED
    assert ids(claim(bench)) == ["a"]


def test_an_interactive_job_does_not_wait_for_one_in_the_lane_behind(bench):
    ask_alike(bench, "slow", lane=lane_of("vgg16", Priority.BATCH))
    ask_alike(bench, "fast")
    fast, slow = claim(bench, limit=2)
    assert (fast.job_id, slow.job_id) == ("fast", "slow")


def test_the_followers_of_a_poison_job_do_not_each_kill_three_workers(bench):
    ask_alike(bench, "poison", "b", "c")
    for owner in ("w1", "w2", "w3"):
        assert ids(claim(bench, owner=owner)) == ["poison"]
        bench.tick(1_000)
        bench.ledger.sweep()
    assert [outcome(bench, job)[:2] for job in "bc"] == [(JobState.FAILED, True)] * 2
    assert bench.ledger.read("c").error_code == "worker_lost"


def test_a_shared_outcome_is_restored_as_it_was_filed(bench):
    shared = JobOutcome(JobState.SUCCEEDED, START_MS, cached=True, result="another's")
    bench.ledger.restore(JobRestoration(Submission("a", LANE, "x"), START_MS, shared))
    assert outcome(bench, "a") == (JobState.SUCCEEDED, True, 0)


def test_a_job_given_back_for_a_while_is_uncharged_and_waits(bench):
    submit(bench, "a")
    assert bench.ledger.release(claim(bench), retry_in_ms=200) == [True]
    assert claim(bench) == []
    bench.tick(200)
    assert bench.ledger.sweep().wakeups == {LANE: 1}
    assert claim(bench)[0].attempt == 1
