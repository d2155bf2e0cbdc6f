"""Idempotency keys wait until a ledger that has lost jobs is complete again."""

from pathlib import Path

from ledger_harness import LedgerHarness
from seewhy.ledger.ports.submission import SubmissionLedger
from seewhy.ledger.redis.client.connection import connect
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import IdempotencyKey, ReservationStatus
from seewhy.schemas.context import RequestContext
from servers.valkey import start_valkey

CONTEXT = RequestContext()
KEY = IdempotencyKey("k", "digest")


def reserve(ledger: SubmissionLedger, job_id: str, *, epoch: str | None = "e") -> tuple[str, str]:
    answer = ledger.reserve(KEY, job_id, context=CONTEXT, epoch=epoch)
    return answer.status, answer.job_id


def test_no_key_is_reserved_until_the_ledger_has_the_jobs_of_the_epoch(
    harness: LedgerHarness,
) -> None:
    assert reserve(harness.ledger, "a") == (ReservationStatus.INCOMPLETE, "a")
    harness.ledger.acquire_leadership("me", lease_ms=100)
    harness.ledger.set_epoch("another", owner="me")
    assert reserve(harness.ledger, "a") == (ReservationStatus.INCOMPLETE, "a")
    harness.ledger.acquire_leadership("me", lease_ms=100)
    harness.ledger.set_epoch("e", owner="me")
    assert reserve(harness.ledger, "b") == (ReservationStatus.NEW, "b"), "nothing was bound before"
    harness.lose_all_data()
    assert reserve(harness.ledger, "c") == (ReservationStatus.INCOMPLETE, "c")
    assert reserve(harness.ledger, "c", epoch=None) == (ReservationStatus.NEW, "c")


def test_no_key_is_reserved_between_a_restart_and_the_recovery(tmp_path: Path) -> None:
    with start_valkey(tmp_path) as server:
        ledger = RedisLedger(connect(server.url))
        ledger.acquire_leadership("me", lease_ms=10_000)
        ledger.set_epoch("e", owner="me")
        assert reserve(ledger, "a") == (ReservationStatus.NEW, "a")
        server.stop()
        server.start()
        assert reserve(ledger, "b") == (ReservationStatus.INCOMPLETE, "b")
        ledger.acquire_leadership("me", lease_ms=10_000)
        ledger.set_epoch("e", owner="me")
        assert reserve(ledger, "b") == (ReservationStatus.BUSY, "a")
