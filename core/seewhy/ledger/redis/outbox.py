"""The outbox in Redis or Valkey: every method is one Lua call."""

from collections.abc import Sequence

from seewhy.ledger.ports.outbox import Attempt, Delivery, OriginLease
from seewhy.ledger.redis.fields import letters, record_of
from seewhy.ledger.redis.scripts import Scripts, pairs
from seewhy.ledger.types import DISPATCHER_QUEUE, JobRecord


class RedisOutbox:
    """Implements `seewhy.ledger.ports.outbox.Outbox`, on the keys of the ledger beside it."""

    def __init__(self, scripts: Scripts) -> None:
        """Call through these scripts."""
        self._call = scripts.call

    def lease_origin(self, *, limit: int) -> OriginLease | None:
        answer = self._call("lease_origin", limit)
        if not answer:
            return None
        origin, until_ms, *rows = answer
        records = ((record_of(row[0], pairs(row[2:])), row[1]) for row in rows)
        return OriginLease(
            origin, until_ms, tuple(Delivery(r, attempt) for r, attempt in records if r)
        )

    def report(self, turn: OriginLease, tried: Sequence[Attempt], *, pause_ms: int = 0) -> None:
        rows = (
            (t.notice.record.job_id, t.notice.attempt, t.verdict, t.detail, t.retry_in_ms)
            for t in tried
        )
        values = (value for row in rows for value in row)
        self._call("report", turn.origin, turn.until_ms, pause_ms, *values)

    def redeliver(self, job_id: str) -> bool:
        return bool(self._call("redeliver", job_id))

    def list_undelivered(self, *, limit: int = 1000) -> list[JobRecord]:
        return letters(self._call("letters", "undelivered", limit))

    def wakeups_needed(self) -> int:
        return int(self._call("wakeups_needed", DISPATCHER_QUEUE))
