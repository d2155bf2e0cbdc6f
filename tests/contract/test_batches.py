"""Batches, on every ledger."""

from collections.abc import Callable
from dataclasses import replace

from ledger_harness import POLICY, START_MS, LedgerHarness, read_job
from seewhy.ledger.types import (
    Attempt,
    BatchItem,
    BatchOutcome,
    BatchProgress,
    BatchRecord,
    BatchRestoration,
    BatchState,
    BatchSubmission,
    Claim,
    Completion,
    DeliveryResult,
    DeliveryState,
    IdempotencyKey,
    JobFailure,
    JobOutcome,
    JobRestoration,
    LimitScope,
    QueueLimit,
    QuotaLimit,
    QuotaName,
    Quotas,
    Reservation,
    ReservationStatus,
    Submission,
    lane_of,
    lanes_of,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority

LANE = lane_of("m", Priority.BATCH)
LONG_LANE = lane_of("m", Priority.BATCH, long=True)
LEASE_MS = 1_000
HOOK = "https://hooks.test/x"
WIDE = replace(POLICY, tenant_limit=1_000, lane_limit=1_000, max_skipped=100)


def create(harness: LedgerHarness, total: int, batch_id: str = "b", **options: object) -> None:
    submission = BatchSubmission(batch_id, total, 0, "the batch", **options)  # type: ignore[arg-type]
    assert harness.batches.create(submission).created


def items(count: int, *, first: int = 0, batch_id: str = "b", **options: object) -> list[BatchItem]:
    return [
        BatchItem(
            Submission(
                f"{batch_id}-{index}",
                LANE,
                "a job",
                batch=batch_id,
                batch_index=index,
                **options,  # type: ignore[arg-type]
            ),
            passes=1,
        )
        for index in range(first, first + count)
    ]


def accept(
    harness: LedgerHarness, batch: list[BatchItem], *, first: int = 0, quotas: Quotas | None = None
) -> BatchProgress:
    """Lease the batch that waits, and submit items."""
    leased = harness.batches.lease("acceptor", lease_ms=LEASE_MS)
    assert leased is not None
    return harness.batches.submit_many(
        leased.batch_id, "acceptor", batch, first=first, lease_ms=LEASE_MS, quotas=quotas
    )


def read(harness: LedgerHarness, batch_id: str = "b") -> BatchRecord:
    batch = harness.batches.read(batch_id)
    assert batch is not None
    return batch


def extend(
    harness: LedgerHarness,
    *,
    first: int,
    count: int,
    complete: bool = False,
    owner: str = "acceptor",
    batch_id: str = "b",
) -> BatchProgress:
    return harness.batches.extend(
        batch_id, owner, first=first, count=count, complete=complete, lease_ms=LEASE_MS
    )


def claim(harness: LedgerHarness, limit: int = 100) -> list[Claim]:
    return harness.ledger.claim(lanes_of("m"), owner="w", limit=limit)


def counts(batch: BatchRecord) -> dict[str, int]:
    names = ("refused", "dropped", "queued", "running", *(s for s in JobState if s.terminal))
    return {str(name): getattr(batch, name) for name in names if getattr(batch, name)}


def test_a_batch_counts_its_jobs_in_every_state_until_it_is_finished(
    open_harness: Callable[..., LedgerHarness],
) -> None:
    harness = open_harness(policy=WIDE)
    create(harness, 5)
    assert accept(harness, items(4)) == BatchProgress(True, 4, wakeups={LANE: 2})
    assert read(harness).state is BatchState.ACCEPTING
    assert counts(read(harness)) == {"queued": 4}
    first, second, third = claim(harness, 3)
    assert counts(read(harness)) == {"queued": 1, "running": 3}
    harness.ledger.complete([Completion(first, "r")])
    harness.ledger.fail([JobFailure(second, "code", "detail")])
    harness.ledger.release([third])
    assert counts(read(harness)) == {"queued": 2, "succeeded": 1, "failed": 1}
    harness.advance(10)
    refusal = [BatchItem(newly_refused=True)]
    harness.batches.submit_many("b", "acceptor", refusal, first=4, lease_ms=LEASE_MS)
    accepted = read(harness)
    assert (accepted.state, accepted.accepted_ms) == (BatchState.RUNNING, START_MS + 10)
    assert counts(accepted) == {"queued": 2, "succeeded": 1, "failed": 1, "refused": 1}
    harness.ledger.complete([Completion(c, "r") for c in claim(harness)])
    finished = read(harness)
    assert (finished.state, finished.finished_ms) == (BatchState.FINISHED, START_MS + 10)
    assert counts(finished) == {"succeeded": 3, "failed": 1, "refused": 1}


def test_items_that_are_jobs_already_are_neither_submitted_nor_counted_again(
    harness: LedgerHarness,
) -> None:
    create(harness, 4)
    accept(harness, items(3))
    again = items(4)
    answer = harness.batches.submit_many("b", "acceptor", again, first=0, lease_ms=LEASE_MS)
    assert answer.position == 4
    assert counts(read(harness)) == {"queued": 4}
    assert harness.ledger.counts().accepted == 4


def test_a_batch_whose_items_were_all_refused_is_finished_when_accepted(
    harness: LedgerHarness,
) -> None:
    submission = BatchSubmission("b", total=2, refused=2, batch="the batch")
    harness.batches.create(submission)
    accept(harness, [BatchItem(), BatchItem()])
    assert read(harness).state is BatchState.FINISHED
    assert counts(read(harness)) == {"refused": 2}


def test_one_acceptor_holds_a_batch_until_its_lease_ends(harness: LedgerHarness) -> None:
    create(harness, 2)
    assert harness.batches.lease("one", lease_ms=LEASE_MS) is not None
    assert harness.batches.lease("two", lease_ms=LEASE_MS) is None
    harness.advance(LEASE_MS)
    taken = harness.batches.lease("two", lease_ms=LEASE_MS)
    assert taken is not None
    assert taken.acceptor == "two"
    late = harness.batches.submit_many("b", "one", items(1), first=0, lease_ms=LEASE_MS)
    assert late == BatchProgress(held=False)
    assert harness.ledger.read("b-0") is None


def test_a_released_batch_waits_and_the_batches_take_turns(harness: LedgerHarness) -> None:
    create(harness, 2, "b")
    harness.advance(1)
    create(harness, 2, "c")
    assert harness.batches.lease("one", lease_ms=LEASE_MS) is not None
    harness.batches.release("b", "two", retry_in_ms=0)  # not the holder
    harness.batches.release("b", "one", retry_in_ms=50)
    found = harness.batches.lease("one", lease_ms=LEASE_MS)
    assert found is not None
    assert found.batch_id == "c"
    assert harness.batches.lease("one", lease_ms=LEASE_MS) is None
    harness.advance(50)
    found = harness.batches.lease("one", lease_ms=LEASE_MS)
    assert found is not None
    assert found.batch_id == "b"


def test_accepting_pauses_at_a_full_queue_and_continues_where_it_stopped(
    harness: LedgerHarness,
) -> None:
    create(harness, 12)
    paused = accept(harness, items(12))
    assert paused.position == POLICY.tenant_limit == 10
    assert paused.limit_reached == QueueLimit(LimitScope.TENANT, 60_000)
    harness.ledger.complete([Completion(c, "r") for c in claim(harness, 3)])
    rest = items(2, first=10)
    answer = harness.batches.submit_many("b", "acceptor", rest, first=10, lease_ms=LEASE_MS)
    assert answer.limit_reached is None
    assert answer.position == 12
    assert read(harness).state is BatchState.RUNNING


def test_items_are_charged_to_the_quotas_of_the_api_key(harness: LedgerHarness) -> None:
    context = RequestContext("a", key_id="0123456789abcdef")
    create(harness, 4, context=context)
    quotas = Quotas(open_jobs=100, submissions_per_minute=3, passes_per_minute=100)
    paused = accept(harness, items(4, context=context), quotas=quotas)
    assert paused.position == 3
    assert isinstance(paused.limit_reached, QuotaLimit)
    assert paused.limit_reached.name is QuotaName.SUBMISSIONS
    harness.advance(paused.limit_reached.retry_in_ms)
    rest = items(1, first=3, context=context)
    assert accept(harness, rest, first=3, quotas=quotas).position == 4


def test_duplicates_in_a_batch_share_one_outcome(harness: LedgerHarness) -> None:
    create(harness, 3)
    accept(harness, items(3, fingerprint="same"))
    (original,) = claim(harness)
    assert counts(read(harness)) == {"queued": 2, "running": 1}
    harness.ledger.complete([Completion(original, "r")])
    assert counts(read(harness)) == {"succeeded": 3}
    assert read(harness).state is BatchState.FINISHED


def test_a_crash_counts_the_job_as_queued_again(harness: LedgerHarness) -> None:
    create(harness, 2)
    accept(harness, items(2))
    claim(harness)
    harness.advance(POLICY.lease_ms)
    harness.ledger.sweep()
    assert counts(read(harness)) == {"queued": 2}


def test_cancelling_a_running_batch_cancels_its_jobs_in_steps(harness: LedgerHarness) -> None:
    create(harness, 6)
    accept(harness, items(6))
    running = claim(harness, 2)
    requested = harness.batches.cancel("b")
    assert requested is not None
    assert requested.cancel_requested
    assert harness.batches.lease("acceptor", lease_ms=LEASE_MS) is not None
    ids = [f"b-{index}" for index in range(6)]
    for first in (0, 3):
        step = harness.batches.cancel_jobs(
            "b", "acceptor", ids[first : first + 3], first=first, lease_ms=LEASE_MS
        )
        assert step == BatchProgress(True, first + 3)
    assert counts(read(harness)) == {"running": 2, "cancelled": 4}
    assert read(harness).state is BatchState.RUNNING
    assert harness.batches.lease("acceptor", lease_ms=LEASE_MS) is None, "nothing is left to do"
    harness.ledger.complete([Completion(running[0], "r")])
    harness.ledger.cancel_claimed(running[1:])
    assert read(harness).state is BatchState.CANCELLED
    assert counts(read(harness)) == {"succeeded": 1, "cancelled": 5}


def test_cancelling_while_accepting_drops_the_items_that_are_no_jobs_yet(
    harness: LedgerHarness,
) -> None:
    create(harness, 5)
    accept(harness, items(2))
    harness.batches.cancel("b")
    rest = items(3, first=2)
    harness.batches.submit_many("b", "acceptor", rest, first=2, lease_ms=LEASE_MS)
    assert counts(read(harness)) == {"queued": 2, "dropped": 3}
    assert harness.ledger.read("b-2") is None
    ids = [f"b-{index}" for index in range(5)]
    harness.batches.cancel_jobs("b", "acceptor", ids, first=0, lease_ms=LEASE_MS)
    assert read(harness).state is BatchState.CANCELLED
    assert counts(read(harness)) == {"cancelled": 2, "dropped": 3}
    assert harness.batches.lease("acceptor", lease_ms=LEASE_MS) is None


def test_a_batch_that_pauses_is_cancelled_at_once(harness: LedgerHarness) -> None:
    create(harness, 3)
    accept(harness, items(1))
    harness.batches.release("b", "acceptor", retry_in_ms=5_000)
    assert harness.batches.lease("acceptor", lease_ms=LEASE_MS) is None
    harness.batches.cancel("b")
    assert harness.batches.lease("acceptor", lease_ms=LEASE_MS) is not None
    harness.batches.cancel("b")
    assert harness.batches.lease("another", lease_ms=LEASE_MS) is None, "the lease is kept"


def test_cancelling_an_ended_or_unknown_batch_changes_nothing(harness: LedgerHarness) -> None:
    create(harness, 1)
    accept(harness, items(1))
    harness.ledger.complete([Completion(c, "r") for c in claim(harness)])
    before = read(harness)
    assert harness.batches.cancel("b") == before
    assert harness.batches.cancel("unknown") is None


def test_a_tenant_has_a_limited_number_of_unfinished_batches(harness: LedgerHarness) -> None:
    for name in ("one", "two", "three"):
        create(harness, 1, name)
        harness.advance(1)
    refused = harness.batches.create(BatchSubmission("four", 1, 0, "x"))
    assert not refused.created
    assert refused.limit_reached == QueueLimit(LimitScope.BATCHES, 60_000)
    other = BatchSubmission("five", 1, 0, "x", context=RequestContext("other"))
    assert harness.batches.create(other).created
    accept(harness, items(1, batch_id="one"))
    harness.ledger.cancel("one-0")
    assert read(harness, "one").state is BatchState.FINISHED
    assert harness.batches.create(BatchSubmission("four", 1, 0, "x")).created


def test_a_batch_is_listed_in_steps_before_its_items_become_jobs(harness: LedgerHarness) -> None:
    create(harness, 0, listing=True)
    assert read(harness).state is BatchState.LISTING
    assert harness.batches.lease("acceptor", lease_ms=LEASE_MS) == read(harness)
    early = harness.batches.submit_many("b", "acceptor", items(1), first=0, lease_ms=LEASE_MS)
    assert not early.held, "not before it is listed"
    assert extend(harness, first=0, count=2) == BatchProgress(True, 2)
    assert extend(harness, first=0, count=2) == BatchProgress(True, 2), "the same again"
    assert extend(harness, first=2, count=0) == BatchProgress(True, 2), "renews the lease"
    assert extend(harness, first=2, count=1, owner="another") == BatchProgress(held=False)
    assert extend(harness, first=2, count=1, complete=True) == BatchProgress(True, 3)
    assert (read(harness).state, read(harness).total) == (BatchState.ACCEPTING, 3)
    assert not extend(harness, first=3, count=1).held, "nothing is added to it any more"
    harness.batches.submit_many("b", "acceptor", items(3), first=0, lease_ms=LEASE_MS)
    assert counts(read(harness)) == {"queued": 3}


def test_each_step_of_a_listing_renews_the_lease(harness: LedgerHarness) -> None:
    create(harness, 0, listing=True)
    harness.batches.lease("acceptor", lease_ms=LEASE_MS)
    for _ in range(3):
        harness.advance(LEASE_MS - 1)
        assert extend(harness, first=0, count=0).held
        assert harness.batches.lease("another", lease_ms=LEASE_MS) is None
    harness.advance(LEASE_MS)
    assert harness.batches.lease("another", lease_ms=LEASE_MS) is not None
    assert not extend(harness, first=0, count=5).held


def test_a_batch_that_cannot_be_listed_fails_and_counts_no_longer(harness: LedgerHarness) -> None:
    reason = {"code": "batch_too_large", "detail": "Too many."}
    for name in ("one", "two", "three"):
        create(harness, 0, name, listing=True, webhook_url=HOOK)
        leased = harness.batches.lease("acceptor", lease_ms=LEASE_MS)
        assert leased is not None
        extend(harness, first=0, count=4, batch_id=name)
        assert not harness.batches.fail(name, "another", **reason)
        assert harness.batches.fail(name, "acceptor", **reason)
        assert not harness.batches.fail(name, "acceptor", **reason), "it has ended"
        failed = read(harness, name)
        assert (failed.state, failed.total) == (BatchState.FAILED, 0)
        assert (failed.error_code, failed.error_detail) == ("batch_too_large", "Too many.")
        assert failed.finished_ms == START_MS
        assert harness.batches.cancel(name) == failed
    assert harness.batches.lease("acceptor", lease_ms=LEASE_MS) is None
    create(harness, 1, "four")
    lease = harness.outbox.lease_origin(limit=10)
    assert lease is not None
    assert {each.subject_id for each in lease.deliveries} == {"one", "two", "three"}


def test_a_listing_is_cancelled_at_once(harness: LedgerHarness) -> None:
    create(harness, 0, listing=True)
    harness.batches.lease("acceptor", lease_ms=LEASE_MS)
    harness.batches.release("b", "acceptor", retry_in_ms=5_000)
    harness.batches.cancel("b")
    leased = harness.batches.lease("acceptor", lease_ms=LEASE_MS)
    assert leased is not None
    assert leased.cancel_requested
    extend(harness, first=0, count=0, complete=True)
    harness.batches.submit_many("b", "acceptor", [], first=0, lease_ms=LEASE_MS)
    assert read(harness).state is BatchState.CANCELLED


def test_a_lost_listing_is_restored_as_one(harness: LedgerHarness) -> None:
    submission = BatchSubmission("b", 0, 0, "the batch", listing=True)
    assert harness.batches.restore(BatchRestoration(submission, START_MS))
    assert (read(harness).state, read(harness).total) == (BatchState.LISTING, 0)


def test_a_batch_with_the_same_key_is_accepted_once(harness: LedgerHarness) -> None:
    key = IdempotencyKey("k", "digest")
    context = RequestContext()
    assert harness.ledger.reserve(key, "b", context=context).status is ReservationStatus.NEW
    create(harness, 1, key=key)
    again = harness.ledger.reserve(key, "c", context=context)
    assert again == Reservation(ReservationStatus.ACCEPTED, "b")
    assert not harness.batches.create(BatchSubmission("b", 1, 0, "other")).created
    assert read(harness).batch == "the batch"


def test_records_of_jobs_are_read_in_the_order_given(harness: LedgerHarness) -> None:
    create(harness, 2)
    accept(harness, items(2))
    found = harness.batches.read_jobs(["b-1", "unknown", "b-0"])
    assert found == [read_job(harness.ledger, "b-1"), None, read_job(harness.ledger, "b-0")]
    record = read_job(harness.ledger, "b-1")
    assert (record.batch, record.batch_index) == ("b", 1)


def test_a_batch_is_kept_for_the_retention_after_its_end(harness: LedgerHarness) -> None:
    create(harness, 1)
    accept(harness, items(1))
    harness.advance(POLICY.retention_ms)
    assert read(harness).state is BatchState.RUNNING
    harness.ledger.complete([Completion(c, "r") for c in claim(harness)])
    harness.advance(POLICY.retention_ms - 1)
    assert read(harness).state is BatchState.FINISHED


def test_a_restored_batch_counts_jobs_that_had_ended_and_submits_the_others(
    harness: LedgerHarness,
) -> None:
    harness.advance(60_000)
    key = IdempotencyKey("k", "digest")
    submission = BatchSubmission("b", 3, 0, "the batch", key=key)
    restoration = BatchRestoration(submission, created_ms=START_MS)
    assert harness.batches.restore(restoration)
    assert not harness.batches.restore(restoration)
    ended = items(1)[0].submission
    assert ended is not None
    outcome = JobOutcome(JobState.SUCCEEDED, START_MS + 1, result="r")
    harness.ledger.restore(JobRestoration(ended, START_MS, outcome))
    assert counts(read(harness)) == {"succeeded": 1}
    assert read(harness).created_ms == START_MS
    accept(harness, items(3))
    assert counts(read(harness)) == {"succeeded": 1, "queued": 2}
    assert read_job(harness.ledger, "b-1").fence == START_MS + 60_000, "above all earlier claims"
    bound = harness.ledger.reserve(key, "c", context=RequestContext())
    assert bound == Reservation(ReservationStatus.ACCEPTED, "b")


def test_an_ended_batch_is_listed_until_it_is_archived(harness: LedgerHarness) -> None:
    for name in ("one", "two"):
        create(harness, 1, name)
        accept(harness, [BatchItem(newly_refused=True)])
        harness.advance(1)
    create(harness, 1, "open")
    assert harness.batches.list_unarchived() == [read(harness, "one"), read(harness, "two")]
    assert harness.batches.list_unarchived(limit=1) == [read(harness, "one")]
    harness.batches.mark_archived(["one", "unknown"])
    assert harness.batches.list_unarchived() == [read(harness, "two")]


def test_a_batch_is_listed_after_the_outcomes_of_its_jobs_are_archived(
    harness: LedgerHarness,
) -> None:
    create(harness, 1)
    accept(harness, items(1))
    harness.ledger.fail([JobFailure(claimed, "broken", "") for claimed in claim(harness)])
    assert read(harness).state is BatchState.FINISHED
    assert harness.batches.list_unarchived() == []
    harness.ledger.mark_archived(["b-0"])
    assert harness.batches.list_unarchived() == [read(harness)]


def test_a_batch_does_not_wait_for_outcomes_of_later_jobs(harness: LedgerHarness) -> None:
    create(harness, 1)
    accept(harness, [BatchItem(newly_refused=True)])
    harness.advance(1)
    create(harness, 1, "later")
    accept(harness, items(1, batch_id="later"))
    harness.ledger.cancel("later-0")
    assert read(harness, "later").state is BatchState.FINISHED
    assert harness.batches.list_unarchived() == [read(harness)]


def test_a_lost_batch_that_had_ended_is_restored_as_it_was(harness: LedgerHarness) -> None:
    harness.advance(60_000)
    submission = BatchSubmission("b", 0, 0, "the batch", webhook_url=HOOK, listing=True)
    outcome = BatchOutcome(
        BatchState.CANCELLED, START_MS + 1, START_MS + 5, 3, 1, dropped=1, accepted_ms=START_MS + 2
    )
    restoration = BatchRestoration(submission, START_MS, cancel_requested=True, outcome=outcome)
    assert harness.batches.restore(restoration)
    assert not harness.batches.restore(restoration)
    ended = items(1)[0].submission
    assert ended is not None
    harness.ledger.restore(JobRestoration(ended, START_MS, JobOutcome(JobState.FAILED, START_MS)))
    batch = read(harness)
    assert (batch.state, batch.total, batch.position) == (BatchState.CANCELLED, 3, 3)
    assert (batch.created_ms, batch.accepted_ms) == (START_MS + 1, START_MS + 2)
    assert batch.finished_ms == START_MS + 5
    assert counts(batch) == {"refused": 1, "dropped": 1, "failed": 1}
    assert harness.batches.lease("acceptor", lease_ms=LEASE_MS) is None, "nothing is left to do"
    lease = harness.outbox.lease_origin(limit=10)
    assert lease is not None
    assert lease.deliveries[0].record == read(harness), "once more, and the same"
    for name in ("one", "two", "three"):
        create(harness, 1, name)


def test_a_lost_batch_is_restored_for_the_retention_after_its_end(
    harness: LedgerHarness,
) -> None:
    harness.advance(POLICY.retention_ms)
    submission = BatchSubmission("b", 1, 0, "the batch")
    for finished_ms, restored in ((START_MS, False), (START_MS + 1, True)):
        outcome = BatchOutcome(BatchState.FINISHED, START_MS - 90, finished_ms, 1, 0)
        restoration = BatchRestoration(submission, START_MS - 100, outcome=outcome)
        assert harness.batches.restore(restoration) is restored


def test_a_batch_that_was_cancelled_before_a_loss_is_cancelled_after_it(
    harness: LedgerHarness,
) -> None:
    submission = BatchSubmission("b", 2, 0, "the batch")
    harness.batches.restore(BatchRestoration(submission, START_MS, cancel_requested=True))
    accept(harness, items(2))
    assert read(harness).state is BatchState.CANCELLED
    assert counts(read(harness)) == {"dropped": 2}


def test_a_batch_past_its_retention_is_not_restored(harness: LedgerHarness) -> None:
    submission = BatchSubmission("b", 2, 0, "the batch")
    long_ago = START_MS - POLICY.retention_ms
    assert not harness.batches.restore(BatchRestoration(submission, long_ago))
    assert harness.batches.read("b") is None


def test_a_batch_knows_its_last_job_of_each_lane(harness: LedgerHarness) -> None:
    create(harness, 4)
    lanes = [LANE, LONG_LANE, LANE, LANE]
    fingerprints = [None, None, "same", "same"]
    submissions = [
        Submission(f"b-{n}", lane, "x", batch="b", fingerprint=fingerprint)
        for n, (lane, fingerprint) in enumerate(zip(lanes, fingerprints, strict=True))
    ]
    assert read(harness).last_jobs == ()
    accept(harness, [BatchItem(each) for each in submissions])
    assert read(harness).last_jobs == ("b-2", "b-1"), "a duplicate is not computed"


def test_the_webhook_of_a_batch_is_delivered_once_it_has_ended(harness: LedgerHarness) -> None:
    create(harness, 2, webhook_url=HOOK)
    accept(harness, items(2))
    claims = claim(harness)
    harness.ledger.complete([Completion(claims[0], "r")])
    assert harness.outbox.lease_origin(limit=10) is None
    receipt = harness.ledger.complete([Completion(claims[1], "r")])
    assert receipt.dispatcher_wakeups == 1
    lease = harness.outbox.lease_origin(limit=10)
    assert lease is not None
    (delivery,) = lease.deliveries
    assert (delivery.subject_id, delivery.name, delivery.attempt) == ("b", "batch:b", 1)
    assert delivery.record == read(harness)
    attempt = Attempt(delivery, DeliveryResult.RETRY, "answered 500", retry_in_ms=100)
    harness.outbox.report(lease, [attempt])
    harness.advance(100)
    lease = harness.outbox.lease_origin(limit=10)
    assert lease is not None
    assert [each.attempt for each in lease.deliveries] == [2]
    done = Attempt(lease.deliveries[0], DeliveryResult.DELIVERED, "answered 200")
    harness.outbox.report(lease, [done])
    assert harness.outbox.lease_origin(limit=10) is None
    webhook = read(harness).webhook
    assert webhook is not None
    assert (webhook.state, webhook.attempts) == (DeliveryState.DELIVERED, 2)


def test_an_exhausted_webhook_of_a_batch_is_shown_by_the_batch(harness: LedgerHarness) -> None:
    create(harness, 1, webhook_url=HOOK)
    accept(harness, [BatchItem(newly_refused=True)])
    lease = harness.outbox.lease_origin(limit=10)
    assert lease is not None
    harness.outbox.report(lease, [Attempt(lease.deliveries[0], DeliveryResult.EXHAUSTED, "gone")])
    webhook = read(harness).webhook
    assert webhook is not None
    assert webhook.state is DeliveryState.EXHAUSTED
    assert harness.outbox.list_undelivered() == []
