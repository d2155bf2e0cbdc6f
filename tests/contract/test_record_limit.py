"""The records that a tenant's jobs leave without being computed are limited; on every ledger."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger_harness import POLICY, START_MS, LedgerHarness
from seewhy.ledger.types import (
    Completion,
    JobOutcome,
    JobRestoration,
    LimitScope,
    QueueLimit,
    QuotaLimit,
    Submission,
    lane_of,
    lanes_of,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority

LANE, LANES = lane_of("vgg16", Priority.INTERACTIVE), lanes_of("vgg16")
A, B = RequestContext("a"), RequestContext("b")
HOUR_MS = 3_600_000
FEW = replace(POLICY, record_limit=8)
FULL = QueueLimit(LimitScope.RECORDS, HOUR_MS)


@pytest.fixture
def harness(open_harness: Callable[..., LedgerHarness]) -> LedgerHarness:
    return open_harness(policy=FEW)


def submit(harness: LedgerHarness, job_id: str, **more: Any) -> QueueLimit | QuotaLimit | None:
    submission = Submission(job_id, LANE, "x", context=A, **more)
    return harness.ledger.submit(submission).limit_reached


def reached(harness: LedgerHarness, context: RequestContext = A) -> QueueLimit | QuotaLimit | None:
    return harness.ledger.reached_limit(LANE, context=context)


def leave_record(harness: LedgerHarness, job_id: str, how: str) -> None:
    more = (
        {"deadline_ms": 10} if how == "expired" else {"fingerprint": "f"} if how == "cached" else {}
    )
    assert submit(harness, job_id, **more) is None
    if how == "cancelled":
        harness.ledger.cancel(job_id)
    elif how == "expired":
        harness.advance(10)
        harness.ledger.sweep()


@pytest.mark.parametrize("how", ["cancelled", "expired", "cached"])
def test_a_tenant_leaves_a_limited_number_of_records_without_computation(
    harness: LedgerHarness, how: str
) -> None:
    submit(harness, "computed", fingerprint="f")
    (claim,) = harness.ledger.claim(LANES, owner="w", limit=1)
    harness.ledger.complete([Completion(claim, "r")])
    for n in range(FEW.record_limit):
        assert reached(harness) is None
        leave_record(harness, f"job{n}", how)
    assert submit(harness, "more") == reached(harness) == FULL
    assert harness.ledger.read("more") is None
    assert reached(harness, B) is None, "other tenants are not concerned"


def test_computed_jobs_are_not_counted(harness: LedgerHarness) -> None:
    for n in range(FEW.record_limit + 1):
        submit(harness, f"job{n}")
        (claim,) = harness.ledger.claim(LANES, owner="w", limit=1)
        harness.ledger.complete([Completion(claim, "r")])
    assert reached(harness) is None


@pytest.mark.parametrize("webhook_url", [None, "https://hooks.test/"])
def test_records_count_until_they_expire(harness: LedgerHarness, webhook_url: str | None) -> None:
    for n in range(FEW.record_limit):
        submit(harness, f"job{n}", webhook_url=webhook_url)
        harness.ledger.cancel(f"job{n}")
    harness.advance(POLICY.retention_ms - HOUR_MS)
    assert reached(harness) == FULL
    harness.advance(HOUR_MS + POLICY.retention_ms // 24)
    assert reached(harness) is None


def test_the_count_drops_as_the_first_records_expire(harness: LedgerHarness) -> None:
    for n in range(FEW.record_limit):
        submit(harness, f"job{n}")
        harness.ledger.cancel(f"job{n}")
        harness.advance(POLICY.retention_ms // 16)
    harness.advance(POLICY.retention_ms // 2)
    assert reached(harness) == FULL
    harness.advance(POLICY.retention_ms // 24)
    assert reached(harness) is None
    submit(harness, "next")
    harness.ledger.cancel("next")
    assert reached(harness) == FULL


def test_restored_records_are_counted(harness: LedgerHarness) -> None:
    for n in range(FEW.record_limit):
        ended = JobOutcome(JobState.CANCELLED, START_MS - HOUR_MS)
        lost = Submission(f"job{n}", LANE, "x", context=A)
        harness.ledger.restore(JobRestoration(lost, START_MS - HOUR_MS, ended))
    assert reached(harness) == FULL
