"""The latest jobs of a tenant: their order, pages and bounds, on every ledger."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger_harness import POLICY, START_MS, LedgerHarness, RedisHarness
from seewhy.ledger.redis.client.keys import job_key
from seewhy.ledger.types import JobOutcome, JobRestoration, Submission
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState
from servers.valkey import RedisServer

LANE = "m:interactive"
FEW = replace(POLICY, max_latest=5)


def submission(job_id: str, tenant: str = "default") -> Submission:
    return Submission(job_id, LANE, "x", context=RequestContext(tenant))


def latest(harness: LedgerHarness, tenant: str = "default", **options: object) -> list[str]:
    chosen = {"limit": 100, **options}
    return [record.job_id for record in harness.ledger.latest(tenant, **chosen)]  # type: ignore[arg-type]


def test_the_latest_jobs_of_a_tenant_come_first_in_pages(harness: LedgerHarness) -> None:
    for job_id in ("a", "b", "c", "d"):
        harness.ledger.submit(submission(job_id))
    harness.ledger.submit(submission("e", tenant="other"))
    assert latest(harness) == ["d", "c", "b", "a"]
    assert latest(harness, limit=2) == ["d", "c"]
    assert latest(harness, limit=2, before="c") == ["b", "a"]
    assert latest(harness, limit=2, before="a") == []
    assert latest(harness, "other") == ["e"]
    assert latest(harness, "a third") == []


def test_a_job_that_is_submitted_again_is_listed_once(harness: LedgerHarness) -> None:
    for _ in range(2):
        harness.ledger.submit(submission("a"))
    assert latest(harness) == ["a"]


def test_a_restored_job_is_listed_where_its_id_belongs(harness: LedgerHarness) -> None:
    harness.ledger.submit(submission("c"))
    outcome = JobOutcome(JobState.SUCCEEDED, START_MS, result="its result")
    assert harness.ledger.restore(JobRestoration(submission("b"), START_MS, outcome))
    assert harness.ledger.restore(JobRestoration(submission("a"), START_MS, None))
    assert latest(harness) == ["c", "b", "a"]


def test_only_the_newest_jobs_are_listed(open_harness: Callable[..., LedgerHarness]) -> None:
    harness = open_harness(policy=FEW)
    for job_id in "abcdefgh":
        harness.ledger.submit(submission(job_id))
    assert latest(harness) == ["h", "g", "f", "e", "d"]


@pytest.fixture
def on_valkey(valkey: RedisServer) -> RedisHarness:
    return RedisHarness(valkey.client())


def test_more_jobs_than_a_script_reads_are_listed_together(on_valkey: RedisHarness) -> None:
    policy = replace(POLICY, tenant_limit=1_000, lane_limit=1_000)
    harness = RedisHarness(on_valkey.client, policy=policy)
    ids = [f"{number:04d}" for number in range(250)]
    for job_id in ids:
        harness.ledger.submit(submission(job_id))
    assert latest(harness, limit=230) == ids[::-1][:230]


def test_expired_records_leave_the_list_and_no_gap(on_valkey: RedisHarness) -> None:
    for job_id in ("a", "b", "c"):
        on_valkey.ledger.submit(submission(job_id))
    on_valkey.client.delete(job_key("b"))
    assert latest(on_valkey, limit=2) == ["c", "a"]
    assert on_valkey.client.zcard("{seewhy}:latest:default") == 2


def test_the_list_expires_after_the_retention(on_valkey: RedisHarness) -> None:
    on_valkey.ledger.submit(submission("a"))
    left_ms = on_valkey.client.pttl("{seewhy}:latest:default")
    longest_ms = max(POLICY.retention_ms, POLICY.webhook_retention_ms)
    assert longest_ms - 60_000 < left_ms <= longest_ms
