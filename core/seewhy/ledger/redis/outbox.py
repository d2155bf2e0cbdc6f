"""The webhook outbox in Redis or Valkey."""

from collections.abc import Sequence

from seewhy.ledger.redis.client.encoding import decode_record, pairs, read_batch
from seewhy.ledger.redis.client.keys import UNDELIVERED
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.redis.record_lists import list_records
from seewhy.ledger.types import Attempt, BatchRecord, Delivery, JobRecord, OriginLease, Redelivery
from seewhy.ledger.types.deliveries import BATCH_PREFIX


class RedisOutbox:
    """Implements `seewhy.ledger.ports.outbox.Outbox` on the keys of a Redis ledger."""

    def __init__(self, scripts: Scripts) -> None:
        """Call through these scripts."""
        self._scripts = scripts
        self._call = scripts.call

    def lease_origin(self, *, limit: int) -> OriginLease | None:
        """Lease the origin that has waited longest, with up to `limit` due deliveries."""
        answer = self._call("outbox/lease_origin", limit=limit)
        if not answer:
            return None
        origin, expires_ms, *rows = answer
        records = ((_decode(name, flat), attempt) for name, attempt, *flat in rows)
        deliveries = tuple(Delivery(record, attempt) for record, attempt in records if record)
        return OriginLease(origin, expires_ms, deliveries)

    def report(self, lease: OriginLease, attempts: Sequence[Attempt], *, pause_ms: int = 0) -> None:
        """Report the attempts and end the lease. Nothing is sent to the origin for `pause_ms`."""
        reports = [
            {
                "job_id": attempt.delivery.name,
                "attempt": attempt.delivery.attempt,
                "result": attempt.result,
                "detail": attempt.detail,
                "retry_in_ms": attempt.retry_in_ms,
            }
            for attempt in attempts
        ]
        self._call(
            "outbox/report",
            origin=lease.origin,
            expires_ms=lease.expires_ms,
            pause_ms=pause_ms,
            attempts=reports,
        )

    def redeliver(self, job_id: str, *, interval_ms: int = 0) -> Redelivery:
        """Deliver an outcome again, with fresh attempts, at most once in `interval_ms`."""
        scheduled, wait_ms = self._call("outbox/redeliver", job_id=job_id, interval_ms=interval_ms)
        return Redelivery(bool(scheduled), wait_ms)

    def list_undelivered(self, *, limit: int = 1000) -> list[JobRecord]:
        """List the outcomes whose delivery was refused or exhausted, the oldest first."""
        return list_records(self._scripts, UNDELIVERED, limit=limit)

    def wakeups_needed(self) -> int:
        """Count the wakeups that dispatchers need."""
        return int(self._call("outbox/wakeups_needed"))


def _decode(name: str, flat: Sequence[str]) -> JobRecord | BatchRecord | None:
    if name.startswith(BATCH_PREFIX):
        return read_batch(name.removeprefix(BATCH_PREFIX), pairs(flat))
    return decode_record(name, flat)
