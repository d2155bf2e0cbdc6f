"""The quotas of API keys, on every ledger."""

import random

import pytest

from ledger_harness import LedgerHarness
from seewhy.ledger.types import (
    Charge,
    Completion,
    QuotaLimit,
    QuotaName,
    Quotas,
    QuotaUsage,
    Remaining,
    Submission,
    SubmissionReceipt,
    UploadQuotas,
    UploadUsage,
    lane_of,
    lanes_of,
)
from seewhy.ledger.types.upkeep import JobRestoration
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Priority

LANE = lane_of("vgg16", Priority.INTERACTIVE)
KEY = RequestContext("a", key_id="0123456789abcdef")
OTHER_KEY = RequestContext("a", key_id="fedcba9876543210")
QUOTAS = Quotas(open_jobs=8, submissions_per_minute=4, passes_per_minute=100)
SECOND_MS = 1_000


def submit(
    harness: LedgerHarness,
    job_id: str,
    *,
    context: RequestContext = KEY,
    passes: int = 1,
    quotas: Quotas = QUOTAS,
    fingerprint: str | None = None,
) -> SubmissionReceipt:
    submission = Submission(job_id, LANE, "x", context=context, fingerprint=fingerprint)
    return harness.ledger.submit(submission, charge=Charge(quotas, passes))


def accepted(harness: LedgerHarness, count: int, **options: int) -> list[str]:
    """Submit `count` jobs; return the ids of those that were accepted."""
    names = [f"job-{random.random()}" for _ in range(count)]
    return [name for name in names if submit(harness, name, **options).created]  # type: ignore[arg-type]


def finish_all(harness: LedgerHarness) -> None:
    claims = harness.ledger.claim(lanes_of("vgg16"), owner="w", limit=100)
    harness.ledger.complete([Completion(claim, "r") for claim in claims])


def test_a_submission_says_what_is_left(harness: LedgerHarness) -> None:
    assert submit(harness, "a", passes=30).usage == QuotaUsage(
        submissions=Remaining(3, 70_000), passes=Remaining(70, 70_000)
    )
    harness.advance(12 * SECOND_MS)
    assert submit(harness, "b", passes=30).usage == QuotaUsage(
        submissions=Remaining(2, 58_000), passes=Remaining(40, 58_000)
    )


def test_submissions_beyond_the_quota_are_refused_until_the_minute_has_passed(
    harness: LedgerHarness,
) -> None:
    assert len(accepted(harness, 4)) == 4
    refused = submit(harness, "more")
    assert not refused.created
    assert refused.limit_reached == QuotaLimit(QuotaName.SUBMISSIONS, 70_000, remaining=0)
    assert harness.ledger.read("more") is None
    harness.advance(70 * SECOND_MS - 1)
    assert not submit(harness, "more").created
    harness.advance(1)
    assert submit(harness, "more").created


def test_a_refused_submission_takes_nothing(harness: LedgerHarness) -> None:
    submit(harness, "a", passes=60)
    refused = submit(harness, "b", passes=41)
    assert refused.limit_reached == QuotaLimit(QuotaName.PASSES, 70_000, remaining=40)
    assert refused.usage is None
    usage = submit(harness, "c", passes=40).usage
    assert usage is not None
    assert (usage.submissions.amount, usage.passes.amount) == (2, 0)


def test_the_first_check_takes_nothing_and_gives_the_same_answer(harness: LedgerHarness) -> None:
    charge = Charge(QUOTAS, 60)
    for _ in range(10):
        assert harness.ledger.reached_limit(LANE, context=KEY, charge=charge) is None
    submit(harness, "a", passes=60)
    limit = harness.ledger.reached_limit(LANE, context=KEY, charge=charge)
    assert limit == QuotaLimit(QuotaName.PASSES, 70_000, remaining=40)
    assert harness.ledger.reached_limit(LANE, context=KEY) is None


def test_a_call_that_runs_twice_is_charged_once(harness: LedgerHarness) -> None:
    submit(harness, "a")
    again = submit(harness, "a")
    assert (again.created, again.usage, again.limit_reached) == (False, None, None)
    usage = submit(harness, "b").usage
    assert usage is not None
    assert usage.submissions.amount == 2


def test_the_retry_time_is_when_enough_is_free_again(harness: LedgerHarness) -> None:
    for number, passes in enumerate([10, 30, 50]):
        submit(harness, f"job-{number}", passes=passes)
        harness.advance(10 * SECOND_MS)
    free_in_ms = {
        passes: submit(harness, "more", passes=passes).limit_reached for passes in (15, 50, 100)
    }
    assert free_in_ms == {
        15: QuotaLimit(QuotaName.PASSES, 40_000, remaining=10),
        50: QuotaLimit(QuotaName.PASSES, 50_000, remaining=10),
        100: QuotaLimit(QuotaName.PASSES, 60_000, remaining=10),
    }


@pytest.mark.parametrize("seed", range(3))
def test_in_no_minute_does_a_key_get_more_than_its_quota(harness: LedgerHarness, seed: int) -> None:
    rng = random.Random(seed)
    now_ms, taken_at_ms = 0, []
    for number in range(150):
        if submit(harness, f"job-{number}", quotas=Quotas(1000, 4, 1000)).created:
            taken_at_ms.append(now_ms)
            harness.ledger.cancel(f"job-{number}")
        step_ms = rng.choice([100, 1_000, 9_000])
        harness.advance(step_ms)
        now_ms += step_ms
    assert len(taken_at_ms) > 8
    for first, fifth in zip(taken_at_ms, taken_at_ms[4:], strict=False):
        assert fifth - first >= 60_000


def test_each_key_has_its_own_quota(harness: LedgerHarness) -> None:
    assert len(accepted(harness, 5)) == 4
    assert submit(harness, "other", context=OTHER_KEY).created


def test_unfinished_jobs_are_limited_until_one_ends(harness: LedgerHarness) -> None:
    quotas = Quotas(open_jobs=3, submissions_per_minute=100, passes_per_minute=100)
    for name in "abc":
        assert submit(harness, name, quotas=quotas).created
    refused = submit(harness, "d", quotas=quotas)
    assert refused.limit_reached == QuotaLimit(QuotaName.OPEN_JOBS, 60_000, remaining=0)
    harness.ledger.cancel("a")
    assert submit(harness, "d", quotas=quotas).created
    finish_all(harness)
    for name in "efg":
        assert submit(harness, name, quotas=quotas).created


def test_a_result_that_exists_or_is_being_computed_costs_no_passes(harness: LedgerHarness) -> None:
    usages = [submit(harness, name, passes=30, fingerprint="f").usage for name in "ab"]
    finish_all(harness)
    usages.append(submit(harness, "c", passes=30, fingerprint="f").usage)
    left = [(usage.submissions.amount, usage.passes.amount) for usage in usages if usage]
    assert left == [(3, 70), (2, 70), (1, 70)]


def test_a_duplicate_that_is_computed_after_all_costs_its_passes_even_beyond_the_quota(
    harness: LedgerHarness,
) -> None:
    for name in "abc":
        assert submit(harness, name, passes=40, fingerprint="f").created
    harness.ledger.cancel("a")
    refused = submit(harness, "d", passes=21)
    assert refused.limit_reached == QuotaLimit(QuotaName.PASSES, 70_000, remaining=20)
    harness.ledger.cancel("b")
    harness.advance(60 * SECOND_MS)
    harness.ledger.sweep()
    refused = submit(harness, "d", passes=1)
    assert refused.limit_reached == QuotaLimit(QuotaName.PASSES, 10_000, remaining=0)
    harness.advance(10 * SECOND_MS)
    assert submit(harness, "d", passes=60).created


def test_restored_jobs_count_as_unfinished_and_are_not_charged(harness: LedgerHarness) -> None:
    for name in "abc":
        submission = Submission(name, LANE, "x", context=KEY)
        assert harness.ledger.restore(JobRestoration(submission, submitted_ms=1))
    quotas = Quotas(open_jobs=3, submissions_per_minute=1, passes_per_minute=1)
    refused = submit(harness, "d", quotas=quotas)
    assert refused.limit_reached == QuotaLimit(QuotaName.OPEN_JOBS, 60_000, remaining=0)
    harness.ledger.cancel("b")
    assert submit(harness, "d", quotas=quotas).created


def take(harness: LedgerHarness, size_bytes: int, *, key_id: str = "k") -> object:
    return harness.uploads.take(key_id, size_bytes=size_bytes, quotas=UploadQuotas(3, 100))


def test_an_upload_takes_one_image_and_its_bytes(harness: LedgerHarness) -> None:
    assert take(harness, 60) == UploadUsage(Remaining(2, 70_000), Remaining(40, 70_000))
    assert take(harness, 41) == QuotaLimit(QuotaName.UPLOADED_BYTES, 70_000, remaining=40)
    assert take(harness, 41, key_id="other") == UploadUsage(
        Remaining(2, 70_000), Remaining(59, 70_000)
    )
    harness.advance(12 * SECOND_MS)
    assert take(harness, 30) == UploadUsage(Remaining(1, 58_000), Remaining(10, 58_000))
    assert take(harness, 0) == UploadUsage(Remaining(0, 58_000), Remaining(10, 58_000))
    assert take(harness, 0) == QuotaLimit(QuotaName.UPLOADS, 58_000, remaining=0)
    harness.advance(58 * SECOND_MS)
    assert take(harness, 70) == UploadUsage(Remaining(0, 10_000), Remaining(0, 10_000))


def test_uploads_and_submissions_have_quotas_of_their_own(harness: LedgerHarness) -> None:
    assert KEY.key_id is not None
    assert len(accepted(harness, 4)) == 4
    assert take(harness, 1, key_id=KEY.key_id) == UploadUsage(
        Remaining(2, 70_000), Remaining(99, 70_000)
    )
    harness.advance(70 * SECOND_MS)
    for _ in range(3):
        take(harness, 1, key_id=KEY.key_id)
    assert len(accepted(harness, 5)) == 4


def test_billions_of_bytes_are_counted_exactly(harness: LedgerHarness) -> None:
    quotas = UploadQuotas(uploads_per_minute=10, uploaded_bytes_per_minute=6_000_000_000)
    for left in (3_500_000_001, 1_000_000_002):
        usage = harness.uploads.take("k", size_bytes=2_499_999_999, quotas=quotas)
        assert isinstance(usage, UploadUsage)
        assert usage.uploaded_bytes.amount == left
