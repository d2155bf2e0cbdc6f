"""Dead letters of several tenants, on every implementation."""

from ledger_harness import LedgerHarness
from seewhy.ledger.redis.record_lists import PAGE
from seewhy.ledger.types import JobFailure, JobRecord, Submission, lane_of
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Priority

LANE = lane_of("m", Priority.INTERACTIVE)


def fail(harness: LedgerHarness, *job_ids: str, tenant: str) -> None:
    for job_id in job_ids:
        harness.ledger.submit(Submission(job_id, LANE, "", context=RequestContext(tenant)))
    claims = harness.ledger.claim([LANE], owner="w", limit=len(job_ids))
    harness.ledger.fail([JobFailure(claim, "broken_image", "it is broken") for claim in claims])


def ids(records: list[JobRecord]) -> list[str]:
    return [record.job_id for record in records]


def test_a_tenant_has_its_own_dead_letters(harness: LedgerHarness) -> None:
    fail(harness, "a1", tenant="a")
    fail(harness, "b1", tenant="b")
    harness.advance(1)
    fail(harness, "a2", tenant="a")
    assert ids(harness.ledger.list_dead_letters(tenant="a")) == ["a1", "a2"]
    assert ids(harness.ledger.list_dead_letters(tenant="a", limit=1)) == ["a1"]
    assert ids(harness.ledger.list_dead_letters(tenant="b")) == ["b1"]
    assert ids(harness.ledger.list_dead_letters(tenant="c")) == []
    assert ids(harness.ledger.list_dead_letters()) == ["a1", "b1", "a2"]


def test_the_dead_letters_of_others_do_not_hide_those_of_a_tenant(harness: LedgerHarness) -> None:
    for first in range(0, PAGE + 1, 5):  # the queues of the tests are short
        fail(harness, *(f"b{n}" for n in range(first, first + 5)), tenant="b")
    harness.advance(1)
    fail(harness, "a1", "a2", tenant="a")
    assert ids(harness.ledger.list_dead_letters(tenant="a")) == ["a1", "a2"]
    assert len(harness.ledger.list_dead_letters(tenant="b")) == PAGE + 5


def test_a_dismissed_job_is_no_dead_letter(harness: LedgerHarness) -> None:
    fail(harness, "a", "b", tenant="a")
    assert harness.ledger.is_dead_letter("a")
    assert not harness.ledger.is_dead_letter("c")
    harness.ledger.dismiss(["a"])
    assert not harness.ledger.is_dead_letter("a")
    assert harness.ledger.is_dead_letter("b")
