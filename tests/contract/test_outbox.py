"""The contract of every outbox: in memory, on Valkey and on Redis."""

import pytest

from ledger_harness import START_MS, LedgerHarness, RedisHarness, read_job
from optionals import present
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
    Redelivery,
    Submission,
    WebhookStatus,
    lane_of,
    lanes_of,
)
from seewhy.schemas.job import JobState, Priority

LANE = lane_of("vgg16", Priority.INTERACTIVE)
URL = "https://hooks.test/seewhy?a=1"


def finish(harness: LedgerHarness, *job_ids: str, url: str = URL) -> None:
    """Run jobs that have a webhook, one after the other."""
    for job_id in job_ids:
        harness.ledger.submit(Submission(job_id, LANE, f"text of {job_id}", webhook_url=url))
        (claim,) = harness.ledger.claim(lanes_of("vgg16"), owner="w", limit=1)
        harness.ledger.complete([Completion(claim, "r")])


def lease_origin(harness: LedgerHarness, limit: int = 10) -> OriginLease:
    return present(harness.outbox.lease_origin(limit=limit))


def ids(lease: OriginLease) -> list[str]:
    return [delivery.subject_id for delivery in lease.deliveries]


def report(harness: LedgerHarness, lease: OriginLease, result: DeliveryResult, **more: int) -> None:
    pause_ms = more.pop("pause_ms", 0)
    attempts = [Attempt(delivery, result, "answered 500", **more) for delivery in lease.deliveries]
    harness.outbox.report(lease, attempts, pause_ms=pause_ms)


def webhook(harness: LedgerHarness, job_id: str) -> WebhookStatus:
    return present(read_job(harness.ledger, job_id).webhook)


def test_a_delivery_is_due_as_soon_as_its_job_finishes(harness: LedgerHarness) -> None:
    harness.ledger.submit(Submission("a", LANE, "x", webhook_url=URL))
    assert webhook(harness, "a") == WebhookStatus(URL, DeliveryState.WAITING)
    assert harness.outbox.lease_origin(limit=10) is None
    harness.ledger.cancel("a")
    assert harness.outbox.wakeups_needed() == 1
    lease = lease_origin(harness)
    assert (lease.origin, ids(lease)) == ("https://hooks.test", ["a"])
    (delivery,) = lease.deliveries
    assert (delivery.record.state, delivery.attempt) == (JobState.CANCELLED, 1)


def test_a_job_without_a_webhook_has_no_delivery(harness: LedgerHarness) -> None:
    harness.ledger.submit(Submission("a", LANE, "x"))
    harness.ledger.cancel("a")
    assert harness.outbox.lease_origin(limit=10) is None


def test_a_delivered_outcome_is_not_due_again(harness: LedgerHarness) -> None:
    finish(harness, "a")
    report(harness, lease_origin(harness), DeliveryResult.DELIVERED)
    assert webhook(harness, "a") == WebhookStatus(
        URL, DeliveryState.DELIVERED, attempts=1, detail="answered 500"
    )
    harness.advance(10_000)
    assert harness.outbox.lease_origin(limit=10) is None


def test_an_origin_is_leased_once_at_a_time(harness: LedgerHarness) -> None:
    finish(harness, "a", "b", "c")
    finish(harness, "elsewhere", url="https://other.test/x")
    first = lease_origin(harness, limit=2)
    assert ids(first) == ["a", "b"]
    assert ids(lease_origin(harness)) == ["elsewhere"]
    assert harness.outbox.lease_origin(limit=2) is None
    report(harness, first, DeliveryResult.DELIVERED)
    assert ids(lease_origin(harness)) == ["c"]


def test_a_failed_delivery_is_retried_after_its_delay(harness: LedgerHarness) -> None:
    finish(harness, "a")
    report(harness, lease_origin(harness), DeliveryResult.RETRY, retry_in_ms=300)
    assert webhook(harness, "a") == WebhookStatus(
        URL, DeliveryState.PENDING, attempts=1, detail="answered 500"
    )
    harness.advance(299)
    assert harness.outbox.lease_origin(limit=10) is None
    harness.advance(1)
    assert lease_origin(harness).deliveries[0].attempt == 2


def test_a_paused_origin_is_not_leased_and_unattempted_deliveries_are_not_charged(
    harness: LedgerHarness,
) -> None:
    finish(harness, "a")
    report(harness, lease_origin(harness), DeliveryResult.NOT_ATTEMPTED, pause_ms=400)
    finish(harness, "b")
    assert harness.outbox.wakeups_needed() == 0
    assert harness.outbox.lease_origin(limit=10) is None
    harness.advance(400)
    lease = lease_origin(harness)
    assert [(n.subject_id, n.attempt) for n in lease.deliveries] == [("a", 1), ("b", 1)]


def test_a_delivery_that_is_put_off_is_not_charged_and_delays_no_other(
    harness: LedgerHarness,
) -> None:
    finish(harness, "a", "b")
    report(harness, lease_origin(harness, limit=1), DeliveryResult.NOT_ATTEMPTED, retry_in_ms=300)
    assert ids(lease_origin(harness)) == ["b"]
    harness.advance(299)
    assert harness.outbox.lease_origin(limit=10) is None
    harness.advance(300)
    lease = lease_origin(harness)
    assert ("a", 1) in [(one.subject_id, one.attempt) for one in lease.deliveries]


def test_a_dispatcher_that_dies_is_charged_and_another_takes_over(harness: LedgerHarness) -> None:
    finish(harness, "a")
    lost = lease_origin(harness)
    harness.advance(500)
    renewed = lease_origin(harness)
    assert renewed.deliveries[0].attempt == 2
    report(harness, lost, DeliveryResult.EXHAUSTED)
    assert webhook(harness, "a").state is DeliveryState.PENDING, "a stale report changes nothing"
    report(harness, renewed, DeliveryResult.DELIVERED)
    assert webhook(harness, "a").state is DeliveryState.DELIVERED


def test_an_expired_holder_does_not_release_the_new_lease(harness: LedgerHarness) -> None:
    finish(harness, "a", "b", "c")
    expired = lease_origin(harness, limit=1)
    harness.advance(500)
    renewed = lease_origin(harness, limit=1)
    for pause_ms in (0, 10_000):
        report(harness, expired, DeliveryResult.DELIVERED, pause_ms=pause_ms)
        assert harness.outbox.lease_origin(limit=1) is None
    report(harness, renewed, DeliveryResult.RETRY, retry_in_ms=10_000)
    assert ids(lease_origin(harness)) == ["c"], "nor does it pause the origin"


@pytest.mark.parametrize("result", [DeliveryResult.REFUSED, DeliveryResult.EXHAUSTED])
def test_an_undelivered_outcome_can_be_redelivered(
    harness: LedgerHarness, result: DeliveryResult
) -> None:
    finish(harness, "a")
    report(harness, lease_origin(harness), result)
    assert webhook(harness, "a").state.value == result.value
    assert [record.job_id for record in harness.outbox.list_undelivered()] == ["a"]
    assert harness.outbox.lease_origin(limit=10) is None
    assert harness.outbox.redeliver("a") == Redelivery(scheduled=True)
    assert harness.outbox.list_undelivered() == []
    assert lease_origin(harness).deliveries[0].attempt == 1


def test_only_outcomes_with_a_webhook_can_be_redelivered(harness: LedgerHarness) -> None:
    harness.ledger.submit(Submission("running", LANE, "x", webhook_url=URL))
    harness.ledger.submit(Submission("silent", LANE, "x"))
    harness.ledger.cancel("silent")
    assert [harness.outbox.redeliver(job) for job in ("running", "silent", "unknown")] == [
        Redelivery(scheduled=False)
    ] * 3


def test_an_outcome_is_redelivered_at_most_once_in_an_interval(harness: LedgerHarness) -> None:
    for job in "ab":
        finish(harness, job)
    assert harness.outbox.redeliver("a", interval_ms=1_000).scheduled
    harness.advance(400)
    assert harness.outbox.redeliver("a", interval_ms=1_000) == Redelivery(
        scheduled=False, wait_ms=600
    )
    assert harness.outbox.redeliver("b", interval_ms=1_000).scheduled
    assert harness.outbox.redeliver("a").scheduled, "an operator's request has no interval"
    harness.advance(999)
    assert harness.outbox.redeliver("a", interval_ms=1_000).wait_ms == 1
    harness.advance(1)
    assert harness.outbox.redeliver("a", interval_ms=1_000).scheduled


def test_duplicates_have_deliveries_too(harness: LedgerHarness) -> None:
    for job in "ab":
        harness.ledger.submit(Submission(job, LANE, "x", fingerprint="f", webhook_url=URL))
    (claim,) = harness.ledger.claim(lanes_of("vgg16"), owner="w", limit=2)
    harness.ledger.fail([JobFailure(claim, "broken_image", "it is broken")])
    assert ids(lease_origin(harness)) == ["a", "b"]


def test_each_due_origin_needs_a_wakeup_less_the_unread_ones(harness: LedgerHarness) -> None:
    for n in range(5):
        finish(harness, f"job{n}", url=f"https://host{n}.test/")
    assert harness.outbox.wakeups_needed() == 3, "at most max_wakeups"
    if isinstance(harness, RedisHarness):
        harness.client.lpush(DISPATCHER_QUEUE, "a message")
    else:
        harness.add_unread_wakeup(DISPATCHER_QUEUE)
    assert harness.outbox.wakeups_needed() == 2


def test_a_recent_outcome_is_delivered_again_after_it_is_restored(harness: LedgerHarness) -> None:
    days_ms = 86_400_000
    for job_id, ago_ms in (("fresh", 0), ("old", 5 * days_ms)):
        ended = JobOutcome(JobState.FAILED, START_MS - ago_ms)
        lost = Submission(job_id, LANE, "x", webhook_url=URL)
        assert harness.ledger.restore(JobRestoration(lost, START_MS - ago_ms, ended))
    assert ids(lease_origin(harness)) == ["fresh"]


def test_a_report_asks_for_wakeups_only_when_it_added_a_delivery(harness: LedgerHarness) -> None:
    finish(harness, "waiting for a dispatcher")
    harness.ledger.submit(Submission("silent", LANE, "x"))
    harness.ledger.submit(Submission("with webhook", LANE, "x", webhook_url="https://b.test/"))
    silent, other = harness.ledger.claim(lanes_of("vgg16"), owner="w", limit=2)
    assert harness.ledger.complete([Completion(silent, "r")]).dispatcher_wakeups == 0
    assert harness.ledger.fail([JobFailure(other, "x", "y")]).dispatcher_wakeups == 2
