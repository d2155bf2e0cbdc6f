"""What every outbox promises, on the twin and on real servers alike."""

from collections.abc import Iterator

import pytest

from ledger_harness import START_MS, LedgerHarness, MemoryHarness, RedisHarness
from seewhy.ledger.types import (
    DISPATCHER_QUEUE,
    Attempt,
    Completion,
    DeliveryResult,
    DeliveryState,
    JobFailure,
    JobOutcome,
    JobRestoration,
    OriginLease,
    Submission,
    WebhookStatus,
    lane_of,
    lanes_of,
)
from seewhy.schemas.job import JobState, Priority

LANE = lane_of("vgg16", Priority.INTERACTIVE)
URL = "https://hooks.test/seewhy?a=1"


@pytest.fixture(params=["memory", "valkey", "redis_server"])
def harness(request: pytest.FixtureRequest) -> Iterator[LedgerHarness]:
    if request.param == "memory":
        yield MemoryHarness()
    else:
        with request.getfixturevalue(request.param).client() as client:
            yield RedisHarness(client)


def end(harness: LedgerHarness, *job_ids: str, url: str = URL) -> None:
    """Run jobs that have a webhook, one after the other."""
    for job_id in job_ids:
        harness.ledger.submit(Submission(job_id, LANE, f"text of {job_id}", webhook_url=url))
        (claim,) = harness.ledger.claim(lanes_of("vgg16"), owner="w", limit=1)
        harness.ledger.complete([Completion(claim, "r")])


def take(harness: LedgerHarness, limit: int = 10) -> OriginLease:
    turn = harness.outbox.lease_origin(limit=limit)
    assert turn is not None
    return turn


def ids(turn: OriginLease) -> list[str]:
    return [notice.record.job_id for notice in turn.deliveries]


def report(harness: LedgerHarness, turn: OriginLease, verdict: DeliveryResult, **more: int) -> None:
    pause_ms = more.pop("pause_ms", 0)
    tried = [Attempt(notice, verdict, "heard", **more) for notice in turn.deliveries]
    harness.outbox.report(turn, tried, pause_ms=pause_ms)


def webhook(harness: LedgerHarness, job_id: str) -> WebhookStatus:
    record = harness.ledger.read(job_id)
    assert record is not None
    assert record.webhook is not None
    return record.webhook


def test_an_outcome_is_due_in_the_step_that_made_it_and_not_before(harness):
    harness.ledger.submit(Submission("a", LANE, "x", webhook_url=URL))
    assert webhook(harness, "a") == WebhookStatus(URL, DeliveryState.WAITING)
    assert harness.outbox.lease_origin(limit=10) is None
    harness.ledger.cancel("a")
    assert harness.outbox.wakeups_needed() == 1
    turn = take(harness)
    assert (turn.origin, ids(turn)) == ("https://hooks.test", ["a"])
    (notice,) = turn.deliveries
    assert (notice.record.state, notice.attempt) == (JobState.CANCELLED, 1)


def test_a_job_without_a_webhook_is_nobodys_news(harness):
    harness.ledger.submit(Submission("a", LANE, "x"))
    harness.ledger.cancel("a")
    assert harness.outbox.lease_origin(limit=10) is None


def test_what_is_delivered_is_not_due_again(harness):
    end(harness, "a")
    report(harness, take(harness), DeliveryResult.DELIVERED)
    assert webhook(harness, "a") == WebhookStatus(
        URL, DeliveryState.DELIVERED, attempts=1, detail="heard"
    )
    harness.advance(10_000)
    assert harness.outbox.lease_origin(limit=10) is None


def test_one_origin_is_called_by_one_courier_at_a_time(harness):
    end(harness, "a", "b", "c")
    end(harness, "elsewhere", url="https://other.test/x")
    first = take(harness, limit=2)
    assert ids(first) == ["a", "b"]
    assert ids(take(harness)) == ["elsewhere"]
    assert harness.outbox.lease_origin(limit=2) is None
    report(harness, first, DeliveryResult.DELIVERED)
    assert ids(take(harness)) == ["c"]


def test_what_failed_is_tried_again_when_its_time_has_come(harness):
    end(harness, "a")
    report(harness, take(harness), DeliveryResult.RETRY, retry_in_ms=300)
    assert webhook(harness, "a") == WebhookStatus(
        URL, DeliveryState.PENDING, attempts=1, detail="heard"
    )
    harness.advance(299)
    assert harness.outbox.lease_origin(limit=10) is None
    harness.advance(1)
    assert take(harness).deliveries[0].attempt == 2


def test_an_origin_that_is_away_is_left_alone_and_what_was_not_tried_is_not_charged(harness):
    end(harness, "a")
    report(harness, take(harness), DeliveryResult.NOT_ATTEMPTED, pause_ms=400)
    end(harness, "b")
    assert harness.outbox.wakeups_needed() == 0
    assert harness.outbox.lease_origin(limit=10) is None
    harness.advance(400)
    turn = take(harness)
    assert [(n.record.job_id, n.attempt) for n in turn.deliveries] == [("a", 1), ("b", 1)]


def test_a_courier_that_dies_has_been_charged_and_another_takes_over(harness):
    end(harness, "a")
    lost = take(harness)
    harness.advance(500)
    again = take(harness)
    assert again.deliveries[0].attempt == 2
    report(harness, lost, DeliveryResult.EXHAUSTED)
    assert webhook(harness, "a").state is DeliveryState.PENDING, "a stale report changes nothing"
    report(harness, again, DeliveryResult.DELIVERED)
    assert webhook(harness, "a").state is DeliveryState.DELIVERED


def test_who_slept_through_a_turn_does_not_let_others_in_beside_the_next(harness):
    end(harness, "a", "b", "c")
    slept = take(harness, limit=1)
    harness.advance(500)
    again = take(harness, limit=1)
    for pause_ms in (0, 10_000):
        report(harness, slept, DeliveryResult.DELIVERED, pause_ms=pause_ms)
        assert harness.outbox.lease_origin(limit=1) is None
    report(harness, again, DeliveryResult.RETRY, retry_in_ms=10_000)
    assert ids(take(harness)) == ["c"], "nor does it keep the origin closed"


@pytest.mark.parametrize("verdict", [DeliveryResult.REFUSED, DeliveryResult.EXHAUSTED])
def test_what_was_given_up_can_be_told_again_on_demand(harness, verdict):
    end(harness, "a")
    report(harness, take(harness), verdict)
    assert webhook(harness, "a").state == verdict
    assert [record.job_id for record in harness.outbox.list_undelivered()] == ["a"]
    assert harness.outbox.lease_origin(limit=10) is None
    assert harness.outbox.redeliver("a")
    assert harness.outbox.list_undelivered() == []
    assert take(harness).deliveries[0].attempt == 1


def test_only_outcomes_with_a_webhook_can_be_told_again(harness):
    harness.ledger.submit(Submission("running", LANE, "x", webhook_url=URL))
    harness.ledger.submit(Submission("silent", LANE, "x"))
    harness.ledger.cancel("silent")
    assert [harness.outbox.redeliver(job) for job in ("running", "silent", "nobody")] == [False] * 3


def test_all_who_share_an_outcome_are_told_of_it(harness):
    for job in "ab":
        harness.ledger.submit(Submission(job, LANE, "x", fingerprint="f", webhook_url=URL))
    (claim,) = harness.ledger.claim(lanes_of("vgg16"), owner="w", limit=2)
    harness.ledger.fail([JobFailure(claim, "broken_image", "it is broken")])
    assert ids(take(harness)) == ["a", "b"]


def test_as_many_couriers_are_wanted_as_origins_are_due_less_those_rung_for(harness):
    for n in range(5):
        end(harness, f"job{n}", url=f"https://host{n}.test/")
    assert harness.outbox.wakeups_needed() == 3, "no more than the policy's most"
    if isinstance(harness, RedisHarness):
        harness.client.lpush(DISPATCHER_QUEUE, "a message")
    else:
        harness.add_unread_wakeup(DISPATCHER_QUEUE)
    assert harness.outbox.wakeups_needed() == 2


def test_an_outcome_restored_after_a_loss_is_told_again_while_it_is_news(harness):
    days_ms = 86_400_000
    for job_id, ago_ms in (("fresh", 0), ("old", 5 * days_ms)):
        ended = JobOutcome(JobState.FAILED, START_MS - ago_ms)
        lost = Submission(job_id, LANE, "x", webhook_url=URL)
        assert harness.ledger.restore(JobRestoration(lost, START_MS - ago_ms, ended))
    assert ids(take(harness)) == ["fresh"]
