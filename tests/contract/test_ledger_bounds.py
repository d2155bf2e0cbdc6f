"""What one step of the ledger does is bounded, however much waits; on every ledger."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from ledger_harness import POLICY, START_MS, LedgerHarness, RedisHarness, queue_position, read_job
from optionals import present
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import (
    PASS_COST,
    Attempt,
    Completion,
    DeliveryResult,
    IdempotencyKey,
    JobFailure,
    LedgerPolicy,
    Submission,
    SweepResult,
    lane_of,
    lanes_of,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority

LANE, LANES = lane_of("vgg16", Priority.INTERACTIVE), lanes_of("vgg16")
ROOMY = replace(POLICY, lane_limit=10_000, tenant_limit=10_000)


@pytest.fixture
def roomy(open_harness: Callable[..., LedgerHarness]) -> LedgerHarness:
    return open_harness(policy=ROOMY)


def submit(
    harness: LedgerHarness,
    job_id: str,
    tenant: str = "default",
    *,
    deadline_ms: int | None = None,
    fingerprint: str | None = None,
    webhook_url: str | None = None,
) -> None:
    submission = Submission(
        job_id,
        LANE,
        "x",
        deadline_ms,
        context=RequestContext(tenant),
        fingerprint=fingerprint,
        webhook_url=webhook_url,
    )
    assert harness.ledger.submit(submission).created


def state(harness: LedgerHarness, job_id: str) -> JobState:
    return read_job(harness.ledger, job_id).state


def claimed(harness: LedgerHarness, limit: int = 8) -> list[str]:
    return [claim.job_id for claim in harness.ledger.claim(LANES, owner="w", limit=limit)]


def commands(harness: LedgerHarness, call: Callable[[], object]) -> int:
    """Count the commands that the server executes during a call, those of scripts included."""
    client = cast("RedisHarness", harness).client

    def executed() -> int:
        stats = client.info("commandstats")
        return sum(stat["calls"] for stat in stats.values())

    executed()
    before = executed()
    call()
    return executed() - before - 1


def needs_server(harness: LedgerHarness) -> None:
    if not isinstance(harness, RedisHarness):
        pytest.skip("counts the commands of a server")


def test_a_claim_passes_over_any_number_of_expired_jobs(roomy: LedgerHarness) -> None:
    late = [f"late{n}" for n in range(10)]
    for job_id in late:
        submit(roomy, job_id, deadline_ms=50)
    submit(roomy, "in time")
    roomy.advance(50)
    assert claimed(roomy) == ["in time"]
    assert {state(roomy, job_id) for job_id in late} == {JobState.EXPIRED}


def test_a_claim_returns_what_it_has_after_it_passed_over_enough_jobs(roomy: LedgerHarness) -> None:
    submit(roomy, "first")
    for n in range(4):
        submit(roomy, f"late{n}", deadline_ms=50)
    submit(roomy, "last")
    roomy.advance(50)
    assert claimed(roomy) == ["first"]
    assert [state(roomy, f"late{n}") for n in range(4)] == [JobState.EXPIRED] * 3 + [
        JobState.QUEUED
    ]
    assert claimed(roomy) == ["last"]


@pytest.mark.parametrize("waiting", ["expired jobs", "tenants without jobs"])
def test_one_step_of_a_claim_costs_the_same_however_much_it_would_pass_over(
    roomy: LedgerHarness, waiting: str
) -> None:
    needs_server(roomy)

    def cost(count: int) -> int:
        roomy.lose_all_data()
        claimed(roomy)
        for n in range(count):
            tenant = f"tenant{n}"
            submit(roomy, f"job{n}", tenant, deadline_ms=50)
            if waiting == "tenants without jobs":
                roomy.ledger.cancel(f"job{n}")
        roomy.advance(50)
        scripts = cast("RedisLedger", roomy.ledger).scripts
        arguments = {"lanes": LANES, "quarantine_lanes": LANES, "owner": "w", "limit": 8}
        return commands(roomy, lambda: scripts.call("claims/claim", **arguments))

    assert cost(10) == cost(40)


def test_an_original_shares_its_outcome_with_any_number_of_duplicates(
    roomy: LedgerHarness,
) -> None:
    duplicates = [f"duplicate{n}" for n in range(7)]
    for job_id in ("original", *duplicates):
        submit(roomy, job_id, fingerprint="f")
    (claim,) = roomy.ledger.claim(LANES, owner="w", limit=8)
    roomy.ledger.complete([Completion(claim, "r")])
    finished = [[job_id for job_id in duplicates if state(roomy, job_id) is JobState.SUCCEEDED]]
    swept: list[SweepResult] = []
    while not swept or swept[-1].more:
        swept.append(roomy.ledger.sweep())
        finished.append([d for d in duplicates if state(roomy, d) is JobState.SUCCEEDED])
    assert [len(ids) for ids in finished] == [2, 4, 6, 7], "two in a step, at once in the sweep"
    assert {read_job(roomy.ledger, job_id).result for job_id in duplicates} == {"r"}


def test_originals_of_one_report_share_with_a_limited_number_of_duplicates_together(
    roomy: LedgerHarness,
) -> None:
    for n in range(12):
        submit(roomy, f"job{n:02}", fingerprint=f"f{n % 3}")
    claims = roomy.ledger.claim(LANES, owner="w", limit=8)
    assert len(claims) == 3
    roomy.ledger.complete([Completion(claim, "r") for claim in claims])
    assert roomy.ledger.counts().terminal == {JobState.SUCCEEDED: 3 + 2}
    for _ in range(4):
        roomy.ledger.sweep()
    assert roomy.ledger.counts().terminal == {JobState.SUCCEEDED: 12}


def test_a_sweep_reports_whether_more_jobs_are_overdue(roomy: LedgerHarness) -> None:
    for job_id in "abc":
        submit(roomy, job_id)
    roomy.advance(100)
    assert [roomy.ledger.sweep(limit=2).more for _ in range(2)] == [True, False]


def test_the_next_sweep_replaces_a_lost_wakeup_however_long_the_job_has_waited(
    roomy: LedgerHarness,
) -> None:
    submit(roomy, "a")
    roomy.advance(100)
    roomy.ledger.sweep()
    assert roomy.due() == {"a": START_MS + 200}
    roomy.advance(1)
    assert roomy.ledger.sweep() == SweepResult(examined=0, wakeups={LANE: 1})


def test_submitting_and_polling_cost_the_same_with_more_tenants(roomy: LedgerHarness) -> None:
    needs_server(roomy)

    def costs(tenants: int) -> tuple[int, int]:
        roomy.lose_all_data()
        submit(roomy, "first")
        for n in range(tenants):
            submit(roomy, f"job{n}", f"tenant{n}")
        last = f"job{tenants - 1}"
        roomy.ledger.work_ahead(last)
        return (
            commands(roomy, lambda: submit(roomy, "more", "another tenant")),
            commands(roomy, lambda: roomy.ledger.work_ahead(last)),
        )

    fewer, more = costs(120), costs(360)
    assert more[0] == fewer[0]
    assert more[1] == pytest.approx(fewer[1], abs=2), "its own tenant may be among those counted"


def test_the_queue_position_is_exact_for_a_hundred_tenants(roomy: LedgerHarness) -> None:
    for tenant in range(100):
        for n in range(1 + tenant % 3):
            submit(roomy, f"{tenant}-{n}", f"t{tenant:03}")
    order: list[str] = []
    while batch := claimed(roomy, limit=400):
        order += batch
    roomy.lose_all_data()
    for tenant in range(100):
        for n in range(1 + tenant % 3):
            submit(roomy, f"{tenant}-{n}", f"t{tenant:03}")
    for job_id in ("0-0", "50-1", "98-2"):
        assert queue_position(roomy.ledger, job_id) == order.index(job_id) + 1


def test_the_queue_position_is_estimated_for_more_tenants(roomy: LedgerHarness) -> None:
    for n in range(2):
        for tenant in range(300):
            submit(roomy, f"{tenant}-{n}", f"t{tenant:03}")
    for job_id, position in (("0-0", 1), ("299-0", 300), ("150-1", 451), ("299-1", 600)):
        estimate = present(queue_position(roomy.ledger, job_id))
        assert abs(estimate - position) <= 0.05 * 600
        assert 1 <= estimate <= 600


def test_all_records_of_a_long_list_are_read(roomy: LedgerHarness) -> None:
    for n in range(250):
        submit(roomy, f"job{n:03}")
        roomy.ledger.cancel(f"job{n:03}")
        roomy.advance(1)
    listed = [record.job_id for record in roomy.ledger.list_unarchived(limit=1000)]
    assert listed == [f"job{n:03}" for n in range(250)]
    assert len(roomy.ledger.list_unarchived(limit=150)) == 150


def test_old_undelivered_outcomes_leave_their_list(harness: LedgerHarness) -> None:
    for job_id in ("old", "new"):
        submit(harness, job_id, webhook_url="https://hooks.test/")
        harness.ledger.cancel(job_id)
        lease = present(harness.outbox.lease_origin(limit=1))
        attempts = [Attempt(lease.deliveries[0], DeliveryResult.EXHAUSTED, "answered 500")]
        harness.outbox.report(lease, attempts)
        assert [record.job_id for record in harness.outbox.list_undelivered()] == [job_id]
        harness.advance(POLICY.retention_ms)


def test_old_dead_letters_leave_their_list(harness: LedgerHarness) -> None:
    for job_id in ("old", "new"):
        submit(harness, job_id)
        (claim,) = harness.ledger.claim(LANES, owner="w", limit=1)
        harness.ledger.fail([JobFailure(claim, "broken_image", "it is broken")])
        assert [record.job_id for record in harness.ledger.list_dead_letters()] == [job_id]
        harness.advance(POLICY.retention_ms)


def test_the_key_of_an_unfinished_request_is_kept_for_a_short_time(
    open_harness: Callable[..., LedgerHarness],
) -> None:
    harness = open_harness(policy=LedgerPolicy())
    key, context = IdempotencyKey("k", "digest"), RequestContext()
    harness.ledger.reserve(key, "a", context=context)
    harness.ledger.release_reservation(key, "a", context=context)
    if isinstance(harness, RedisHarness):
        (name,) = harness.client.keys("{seewhy}:idempotency:*")
        assert 0 < harness.client.pttl(name) <= 600_000
        harness.client.delete(name)
    harness.advance(600_000)
    assert harness.ledger.reserve(key, "b", context=context).job_id == "b"
    harness.ledger.submit(Submission("b", LANE, "x", key=key))
    if isinstance(harness, RedisHarness):
        assert harness.client.pttl(name) > 600_000
    harness.advance(600_000)
    assert harness.ledger.reserve(key, "c", context=context).job_id == "b"


def test_an_error_in_the_cost_of_a_queue_ends_with_the_queue(roomy: LedgerHarness) -> None:
    if not isinstance(roomy, RedisHarness):
        pytest.skip("memory keeps no sums")
    for job_id, tenant in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        submit(roomy, job_id, tenant)
    for counted in ("a", "*"):  # as if an earlier version had made a1 ready
        roomy.client.hincrby(f"{{seewhy}}:ready_cost:{LANE}", counted, -PASS_COST)
    roomy.ledger.cancel("a1")
    roomy.ledger.cancel("a2")
    assert roomy.queue_costs(LANE) == ({"b": PASS_COST, "*": PASS_COST}, 0)
    roomy.ledger.cancel("b1")
    assert roomy.queue_costs(LANE) == ({}, 0)
