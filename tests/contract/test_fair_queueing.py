"""Tenants take turns by what their jobs cost: the laws of start-time fair queueing."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_harness import POLICY, LedgerHarness, MemoryHarness, RedisHarness, queue_position
from seewhy.ledger.types import (
    Claim,
    Completion,
    LedgerPolicy,
    LimitScope,
    Measurement,
    QueueLimit,
    Submission,
    lane_of,
    lanes_of,
    sibling_lane,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Priority

LANE = lane_of("m", Priority.BATCH)
LONG_LANE = lane_of("m", Priority.BATCH, long=True)
MANY, ONE = 60_000, 1_000
"""What a job of many forward passes costs, and one of a single pass."""
ROOMY = LedgerPolicy(recheck_ready_ms=POLICY.recheck_ready_ms)
COSTS = st.lists(st.integers(1, 100_000), min_size=1, max_size=30)


@pytest.fixture
def roomy(open_harness: Callable[..., LedgerHarness]) -> LedgerHarness:
    return open_harness(policy=ROOMY)


def submit(
    harness: LedgerHarness, tenant: str, costs: Sequence[int], *, lane: str = LANE, name: str = ""
) -> None:
    for n, cost in enumerate(costs):
        job_id = f"{tenant}-{name}{n:03}"
        context = RequestContext(tenant)
        assert harness.ledger.submit(
            Submission(job_id, lane, "x", context=context, cost=cost)
        ).created


def claim(harness: LedgerHarness, limit: int = 1, lane: str = LANE) -> list[Claim]:
    return harness.ledger.claim([lane], owner="w", limit=limit)


def tenants(claims: Sequence[Claim]) -> Counter[str]:
    return Counter(each.job_id.partition("-")[0] for each in claims)


def test_a_job_of_many_passes_counts_as_many_of_one(roomy: LedgerHarness) -> None:
    submit(roomy, "many", [MANY] * 4)
    submit(roomy, "one", [ONE] * 150)
    assert tenants(claim(roomy, limit=122)) == {"many": 2, "one": 120}


def test_a_claim_ends_before_its_jobs_cost_more_together_than_they_may(
    roomy: LedgerHarness,
) -> None:
    submit(roomy, "a", [30, 40, 31, 10])

    def costs() -> list[int]:
        claims = roomy.ledger.claim([LANE], owner="w", limit=8, max_cost=100)
        return [each.cost for each in claims]

    assert [costs(), costs(), costs()] == [[30, 40], [31, 10], []]


def test_a_job_that_costs_more_than_a_claim_may_is_claimed_alone(roomy: LedgerHarness) -> None:
    submit(roomy, "a", [MANY, ONE, ONE])
    sizes = [len(roomy.ledger.claim([LANE], owner="w", limit=8, max_cost=ONE)) for _ in range(4)]
    assert sizes == [1, 1, 1, 0]


def test_jobs_of_a_claim_cost_about_the_same_so_that_none_waits_for_a_long_one(
    roomy: LedgerHarness,
) -> None:
    submit(roomy, "a", [1, 1, 8, 9, 2, 1, 70])
    found = [roomy.ledger.claim([LANE], owner="w", limit=8, max_cost=MANY) for _ in range(4)]
    assert [[each.cost for each in claims] for claims in found] == [[1, 1, 8], [9, 2], [1], [70]]


def test_a_job_that_did_not_fit_into_a_claim_is_the_first_of_the_next(
    roomy: LedgerHarness,
) -> None:
    """Its tenant was not charged, and keeps its turn."""
    submit(roomy, "a", [ONE] * 3)
    submit(roomy, "b", [MANY])
    found = [roomy.ledger.claim([LANE], owner="w", limit=8, max_cost=MANY) for _ in range(3)]
    assert [tenants(claims) for claims in found] == [{"a": 1}, {"b": 1}, {"a": 2}]


@given(a=COSTS, b=COSTS)
def test_two_tenants_with_waiting_jobs_never_differ_by_more_than_a_job_of_each(
    a: list[int], b: list[int]
) -> None:
    harness = MemoryHarness(policy=ROOMY)
    submit(harness, "a", a)
    submit(harness, "b", b)
    served, left = Counter[str](), {"a": list(a), "b": list(b)}
    while left["a"] and left["b"]:
        (tenant,) = tenants(claim(harness))
        served[tenant] += left[tenant].pop(0)
        assert abs(served["a"] - served["b"]) <= max(a) + max(b)


@given(a=COSTS, b=COSTS, at=st.integers(0, 30))
def test_a_tenant_that_comes_later_owes_nothing_and_is_owed_nothing(
    a: list[int], b: list[int], at: int
) -> None:
    harness = MemoryHarness(policy=ROOMY)
    submit(harness, "a", a)
    for _ in range(min(at, len(a))):
        claim(harness)
    submit(harness, "b", b)
    served, left = Counter[str](), {"a": a[at:], "b": list(b)}
    while left["a"] and left["b"]:
        (tenant,) = tenants(claim(harness))
        served[tenant] += left[tenant].pop(0)
        assert abs(served["a"] - served["b"]) <= 2 * max(a) + max(b)


@given(cost=st.integers(1, 100_000), jobs=st.integers(1, 10), others=COSTS)
def test_a_tenant_gains_nothing_by_splitting_its_work_or_by_leaving_and_returning(
    cost: int, jobs: int, others: list[int]
) -> None:
    """However it sends the parts of its work, the others are served as much before the last."""

    def served_before_the_last(*, at_once: bool) -> int:
        harness = MemoryHarness(policy=ROOMY)
        submit(harness, "b", others)
        left = list(others)
        if at_once:
            submit(harness, "a", [cost] * jobs)
        for n in range(jobs):
            if not at_once:
                submit(harness, "a", [cost], name=f"{n}-")
            while "a" not in tenants(claim(harness)):
                left.pop(0)
        return sum(others) - sum(left)

    fair = min(sum(others), cost * (jobs - 1))
    for at_once in (True, False):
        assert served_before_the_last(at_once=at_once) >= fair - cost - max(others)


def test_what_a_job_really_took_counts_in_later_turns(roomy: LedgerHarness) -> None:
    submit(roomy, "cheap", [ONE] * 80)
    submit(roomy, "wrong", [ONE] * 80)
    served = Counter[str]()
    for _ in range(40):
        (one,) = claim(roomy)
        took = 3 * ONE if one.job_id.startswith("wrong") else ONE
        served[next(iter(tenants([one])))] += took
        roomy.ledger.complete([Completion(one, "r", took)])
    assert abs(served["cheap"] - served["wrong"]) <= 4 * ONE


def test_a_tenant_that_left_returns_with_what_its_job_took_in_the_end(roomy: LedgerHarness) -> None:
    submit(roomy, "a", [ONE])
    (taken,) = claim(roomy)
    submit(roomy, "b", [ONE] * 20)
    claim(roomy, limit=2)  # the turn of a, which has no job, ends its part in the rotation
    roomy.ledger.complete([Completion(taken, "r", 5 * ONE)])
    submit(roomy, "a", [ONE] * 20, name="again")
    assert tenants(claim(roomy, limit=3)) == {"b": 3}


def test_a_released_job_is_not_charged(roomy: LedgerHarness) -> None:
    submit(roomy, "a", [MANY] * 2)
    submit(roomy, "b", [ONE] * 5)
    (taken,) = claim(roomy)
    roomy.ledger.release([taken])
    assert [each.job_id for each in claim(roomy, limit=2)] == ["a-000", "b-000"]


def test_long_jobs_and_others_of_a_tenant_count_together(roomy: LedgerHarness) -> None:
    for tenant in ("both", "short"):
        submit(roomy, tenant, [ONE] * 20)
    submit(roomy, "both", [10 * ONE], lane=LONG_LANE, name="long")
    claim(roomy, limit=2)
    claim(roomy, lane=LONG_LANE)
    assert tenants(claim(roomy, limit=10)) == {"short": 10}
    assert tenants(claim(roomy, limit=2)) == {"both": 1, "short": 1}


def test_a_claim_says_how_many_tenants_share_its_lane(roomy: LedgerHarness) -> None:
    for tenant in ("a", "b", "c"):
        submit(roomy, tenant, [ONE])
    assert [each.tenants for each in claim(roomy, limit=3)] == [3, 2, 1]


def test_the_queue_position_counts_turns_by_their_cost(roomy: LedgerHarness) -> None:
    submit(roomy, "many", [MANY] * 3)
    submit(roomy, "one", [ONE] * 130)
    positions = {job: queue_position(roomy.ledger, job) for job in ("many-002", "one-100")}
    order = [each.job_id for each in claim(roomy, limit=133)]
    assert positions == {job: order.index(job) + 1 for job in positions}


def test_a_ledger_of_an_earlier_version_goes_on_where_its_tenants_are(roomy: LedgerHarness) -> None:
    if not isinstance(roomy, RedisHarness):
        pytest.skip("memory has no earlier version")
    submit(roomy, "a", [ONE] * 3)
    roomy.client.delete("{seewhy}:virtual_clock")
    roomy.client.zadd(f"{{seewhy}}:virtual_time:{LANE}", {"a": 70})  # it counted turns
    submit(roomy, "b", [ONE] * 3)
    assert tenants(claim(roomy, limit=4)) == {"a": 2, "b": 2}


def test_the_lanes_that_count_together_are_those_of_a_priority() -> None:
    for lane in lanes_of("m"):
        assert sibling_lane(sibling_lane(lane)) == lane != sibling_lane(lane)


TWO_SECONDS = replace(ROOMY, tenant_backlog_ms=2_000, lane_backlog_ms=3_000)
A, B = RequestContext("a"), RequestContext("b")


def measure(harness: LedgerHarness, *pass_ms: float) -> None:
    measured = [Measurement("m", "gradcam", pass_ms)]
    harness.workers.register("w", models=["m"], measurements=measured)


def test_a_tenant_is_refused_by_the_device_time_that_its_jobs_take(
    open_harness: Callable[..., LedgerHarness],
) -> None:
    harness = open_harness(policy=TWO_SECONDS)
    measure(harness, 25.0)
    submit(harness, "a", [MANY])
    assert harness.ledger.reached_limit(LANE, context=A) is None, "60 passes take 1.5 s"
    submit(harness, "a", [MANY], name="more")
    refused = harness.ledger.submit(Submission("a-3", LANE, "x", context=A, cost=ONE))
    assert refused.limit_reached == QueueLimit(LimitScope.TENANT, 60_000)
    assert harness.ledger.reached_limit(LANE, context=B) == QueueLimit(LimitScope.LANE, 60_000)
    assert harness.ledger.reached_limit(LONG_LANE, context=A) is None
    claim(harness)
    assert harness.ledger.reached_limit(LANE, context=A) is None, "running jobs do not wait"


def test_the_device_time_of_a_model_that_was_never_measured_is_assumed(
    open_harness: Callable[..., LedgerHarness],
) -> None:
    harness = open_harness(policy=TWO_SECONDS)
    submit(harness, "a", [19 * ONE])
    assert harness.ledger.reached_limit(LANE, context=A) is None
    submit(harness, "a", [ONE], name="more")
    assert harness.ledger.reached_limit(LANE, context=A) is not None, "20 passes of 0.1 s"


def test_the_retry_time_follows_the_device_time_and_not_the_number_of_jobs(
    open_harness: Callable[..., LedgerHarness],
) -> None:
    harness = open_harness(policy=replace(ROOMY, tenant_limit=20))
    submit(harness, "a", [4 * ONE] * 10)
    harness.ledger.complete([Completion(each, "r") for each in claim(harness, limit=10)])
    submit(harness, "a", [ONE] * 20, name="cheap")
    limit = harness.ledger.reached_limit(LANE, context=A)
    assert limit == QueueLimit(LimitScope.TENANT, 3_000), "two passes, of 40 in a minute"


def test_the_backlog_is_known_in_device_seconds(roomy: LedgerHarness) -> None:
    measure(roomy, 20.0, 40.0, 30.0)
    submit(roomy, "a", [MANY, ONE])
    claim(roomy)
    assert roomy.ledger.status().lanes[LANE].backlog_device_s == pytest.approx(61 * 0.03)


def test_the_device_time_of_a_pass_is_averaged_over_the_reports(roomy: LedgerHarness) -> None:
    submit(roomy, "a", [ONE])
    for device, pass_ms in (("cpu", 100.0), ("gpu", 10.0)):
        measured = [Measurement("m", "gradcam", (pass_ms,))]
        roomy.workers.register(device, models=["m"], device=device, measurements=measured)
    assert roomy.ledger.status().lanes[LANE].pass_us == 91_000
