"""Renewing leases, and following the claims that stay on the device for long."""

from collections.abc import Sequence

import pytest

from in_memory_worker import LANE, InMemoryWorker, job_ids
from seewhy.errors import LedgerUnavailable
from seewhy.ledger.types import Claim, LeaseStatus


@pytest.fixture
def claim(worker: InMemoryWorker) -> Claim:
    worker.submit(*job_ids(1))
    (claimed,) = worker.ledger.claim([LANE], owner="w", limit=1)
    return claimed


def test_a_claim_that_is_followed_for_an_interval_is_renewed_at_each_interval(
    worker: InMemoryWorker, claim: Claim
) -> None:
    with worker.leases.holding([claim]), worker.leases.following([claim]):
        worker.ledger.cancel(claim.job_id)
        worker.leases.follow()
        assert worker.leases.status(claim) is LeaseStatus.HELD, "a short job costs nothing"
        worker.leases.follow()
        assert worker.leases.status(claim) is LeaseStatus.CANCEL


def test_a_deadline_of_the_ledgers_clock_ends_a_claim_that_is_followed(
    worker: InMemoryWorker, claim: Claim
) -> None:
    with worker.leases.holding([claim]), worker.leases.following([claim]):
        worker.leases.follow()
        worker.advance(31_000)
        worker.leases.follow()
        assert worker.leases.status(claim) is LeaseStatus.LOST


def test_following_calls_the_ledger_for_old_claims_only(
    worker: InMemoryWorker, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[Sequence[Claim]] = []
    renew = worker.ledger.renew

    def record_and_renew(claims: Sequence[Claim]) -> list[LeaseStatus]:
        renewed.append(claims)
        return renew(claims)

    monkeypatch.setattr(worker.ledger, "renew", record_and_renew)
    with worker.leases.holding([claim]):
        worker.leases.follow()
        with worker.leases.following([claim]):
            worker.leases.follow()
        worker.leases.follow()
        assert renewed == []
        with worker.leases.following([claim]):
            worker.leases.follow()
            worker.leases.follow()
    assert renewed == [[claim]]


def test_an_outage_of_the_ledger_does_not_end_a_claim_that_is_followed(
    worker: InMemoryWorker, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(_: Sequence[Claim]) -> list[LeaseStatus]:
        raise LedgerUnavailable("Redis does not answer")

    monkeypatch.setattr(worker.ledger, "renew", unavailable)
    with worker.leases.holding([claim]), worker.leases.following([claim]):
        worker.leases.follow()
        worker.leases.follow()
        assert worker.leases.status(claim) is LeaseStatus.HELD
