"""What every outbox promises, on the twin and on real servers alike."""

from collections.abc import Iterator

import pytest

from ledgers.bench import START_MS, Bench, MemoryBench, RedisBench
from seewhy.ledger.ports.outbox import Attempt, DeliveryResult, OriginLease
from seewhy.ledger.types import (
    DISPATCHER_QUEUE,
    Completion,
    DeliveryState,
    JobFailure,
    JobOutcome,
    JobRestoration,
    Submission,
    WebhookStatus,
    lane_of,
    lanes_of,
)
from seewhy.schemas.job import JobState, Priority

LANE = lane_of("vgg16", Priority.INTERACTIVE)
URL = "https://hooks.test/seewhy?a=1"


@pytest.fixture(params=["memory", "valkey", "redis_server"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "memory":
        yield MemoryBench()
    else:
        with request.getfixturevalue(request.param).client() as client:
            yield RedisBench(client)


def end(bench: Bench, *job_ids: str, url: str = URL) -> None:
    """Run jobs that have a webhook, one after the other."""
    for job_id in job_ids:
        bench.ledger.submit(Submission(job_id, LANE, f"text of {job_id}", webhook=url))
        (claim,) = bench.ledger.claim(lanes_of("vgg16"), owner="w", limit=1)
        bench.ledger.complete([Completion(claim, "r")])


def take(bench: Bench, limit: int = 10) -> OriginLease:
    turn = bench.outbox.lease_origin(limit=limit)
    assert turn is not None
    return turn


def ids(turn: OriginLease) -> list[str]:
    return [notice.record.job_id for notice in turn.notices]


def report(bench: Bench, turn: OriginLease, verdict: DeliveryResult, **more: int) -> None:
    pause_ms = more.pop("pause_ms", 0)
    tried = [Attempt(notice, verdict, "heard", **more) for notice in turn.notices]
    bench.outbox.report(turn, tried, pause_ms=pause_ms)


def webhook(bench: Bench, job_id: str) -> WebhookStatus:
    record = bench.ledger.read(job_id)
    assert record is not None
    assert record.webhook is not None
    return record.webhook


def test_an_outcome_is_due_in_the_step_that_made_it_and_not_before(bench):
    bench.ledger.submit(Submission("a", LANE, "x", webhook=URL))
    assert webhook(bench, "a") == WebhookStatus(URL, DeliveryState.WAITING)
    assert bench.outbox.lease_origin(limit=10) is None
    bench.ledger.cancel("a")
    assert bench.outbox.wakeups_needed() == 1
    turn = take(bench)
    assert (turn.origin, ids(turn)) == ("https://hooks.test", ["a"])
    (notice,) = turn.notices
    assert (notice.record.state, notice.attempt) == (JobState.CANCELLED, 1)


def test_a_job_without_a_webhook_is_nobodys_news(bench):
    bench.ledger.submit(Submission("a", LANE, "x"))
    bench.ledger.cancel("a")
    assert bench.outbox.lease_origin(limit=10) is None


def test_what_is_delivered_is_not_due_again(bench):
    end(bench, "a")
    report(bench, take(bench), DeliveryResult.DELIVERED)
    assert webhook(bench, "a") == WebhookStatus(
        URL, DeliveryState.DELIVERED, attempts=1, detail="heard"
    )
    bench.tick(10_000)
    assert bench.outbox.lease_origin(limit=10) is None


def test_one_origin_is_called_by_one_courier_at_a_time(bench):
    end(bench, "a", "b", "c")
    end(bench, "elsewhere", url="https://other.test/x")
    first = take(bench, limit=2)
    assert ids(first) == ["a", "b"]
    assert ids(take(bench)) == ["elsewhere"]
    assert bench.outbox.lease_origin(limit=2) is None
    report(bench, first, DeliveryResult.DELIVERED)
    assert ids(take(bench)) == ["c"]


def test_what_failed_is_tried_again_when_its_time_has_come(bench):
    end(bench, "a")
    report(bench, take(bench), DeliveryResult.RETRY, retry_in_ms=300)
    assert webhook(bench, "a") == WebhookStatus(
        URL, DeliveryState.PENDING, attempts=1, detail="heard"
    )
    bench.tick(299)
    assert bench.outbox.lease_origin(limit=10) is None
    bench.tick(1)
    assert take(bench).notices[0].attempt == 2


def test_an_origin_that_is_away_is_left_alone_and_what_was_not_tried_is_not_charged(bench):
    end(bench, "a")
    report(bench, take(bench), DeliveryResult.UNTRIED, pause_ms=400)
    end(bench, "b")
    assert bench.outbox.wakeups_needed() == 0
    assert bench.outbox.lease_origin(limit=10) is None
    bench.tick(400)
    turn = take(bench)
    assert [(n.record.job_id, n.attempt) for n in turn.notices] == [("a", 1), ("b", 1)]


def test_a_courier_that_dies_has_been_charged_and_another_takes_over(bench):
    end(bench, "a")
    lost = take(bench)
    bench.tick(500)
    again = take(bench)
    assert again.notices[0].attempt == 2
    report(bench, lost, DeliveryResult.EXHAUSTED)
    assert webhook(bench, "a").state is DeliveryState.PENDING, "a stale report changes nothing"
    report(bench, again, DeliveryResult.DELIVERED)
    assert webhook(bench, "a").state is DeliveryState.DELIVERED


def test_who_slept_through_a_turn_does_not_let_others_in_beside_the_next(bench):
    end(bench, "a", "b", "c")
    slept = take(bench, limit=1)
    bench.tick(500)
    again = take(bench, limit=1)
    for pause_ms in (0, 10_000):
        report(bench, slept, DeliveryResult.DELIVERED, pause_ms=pause_ms)
        assert bench.outbox.lease_origin(limit=1) is None
    report(bench, again, DeliveryResult.RETRY, retry_in_ms=10_000)
    assert ids(take(bench)) == ["c"], "nor does it keep the origin closed"


@pytest.mark.parametrize("verdict", [DeliveryResult.REFUSED, DeliveryResult.EXHAUSTED])
def test_what_was_given_up_can_be_told_again_on_demand(bench, verdict):
    end(bench, "a")
    report(bench, take(bench), verdict)
    assert webhook(bench, "a").state == verdict
    assert [record.job_id for record in bench.outbox.list_undelivered()] == ["a"]
    assert bench.outbox.lease_origin(limit=10) is None
    assert bench.outbox.redeliver("a")
    assert bench.outbox.list_undelivered() == []
    assert take(bench).notices[0].attempt == 1


def test_only_outcomes_with_a_webhook_can_be_told_again(bench):
    bench.ledger.submit(Submission("running", LANE, "x", webhook=URL))
    bench.ledger.submit(Submission("silent", LANE, "x"))
    bench.ledger.cancel("silent")
    assert [bench.outbox.redeliver(job) for job in ("running", "silent", "nobody")] == [False] * 3


def test_all_who_share_an_outcome_are_told_of_it(bench):
    for job in "ab":
        bench.ledger.submit(Submission(job, LANE, "x", fingerprint="f", webhook=URL))
    (claim,) = bench.ledger.claim(lanes_of("vgg16"), owner="w", limit=2)
    bench.ledger.fail([JobFailure(claim, "broken_image", "it is broken")])
    assert ids(take(bench)) == ["a", "b"]


def test_as_many_couriers_are_wanted_as_origins_are_due_less_those_rung_for(bench):
    for n in range(5):
        end(bench, f"job{n}", url=f"https://host{n}.test/")
    assert bench.outbox.wakeups_needed() == 3, "no more than the policy's most"
    if isinstance(bench, RedisBench):
        bench.client.lpush(DISPATCHER_QUEUE, "a message")
    else:
        bench.leave_hint(DISPATCHER_QUEUE)
    assert bench.outbox.wakeups_needed() == 2


def test_an_outcome_restored_after_a_loss_is_told_again_while_it_is_news(bench):
    days_ms = 86_400_000
    for job_id, ago_ms in (("fresh", 0), ("old", 5 * days_ms)):
        ended = JobOutcome(JobState.FAILED, START_MS - ago_ms)
        lost = Submission(job_id, LANE, "x", webhook=URL)
        assert bench.ledger.restore(JobRestoration(lost, START_MS - ago_ms, ended))
    assert ids(take(bench)) == ["fresh"]
