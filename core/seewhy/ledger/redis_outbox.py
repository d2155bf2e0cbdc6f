"""The outbox in Redis or Valkey: every method is one Lua call."""

from collections.abc import Sequence

from seewhy.ledger.fields import letters, record_of
from seewhy.ledger.outbox import Notice, Tried, Turn
from seewhy.ledger.records import COURIER_QUEUE, Record
from seewhy.ledger.scripts import Scripts, pairs


class RedisOutbox:
    """Implements `seewhy.ledger.outbox.Outbox`, on the keys of the ledger beside it."""

    def __init__(self, scripts: Scripts) -> None:
        """Call through these scripts."""
        self._call = scripts.call

    def take_turn(self, *, limit: int) -> Turn | None:
        answer = self._call("take_turn", limit)
        if not answer:
            return None
        origin, until_ms, *rows = answer
        records = ((record_of(row[0], pairs(row[2:])), row[1]) for row in rows)
        return Turn(origin, until_ms, tuple(Notice(r, attempt) for r, attempt in records if r))

    def report(self, turn: Turn, tried: Sequence[Tried], *, pause_ms: int = 0) -> None:
        rows = (
            (t.notice.record.job_id, t.notice.attempt, t.verdict, t.detail, t.retry_in_ms)
            for t in tried
        )
        values = (value for row in rows for value in row)
        self._call("report", turn.origin, turn.until_ms, pause_ms, *values)

    def redeliver(self, job_id: str) -> bool:
        return bool(self._call("redeliver", job_id))

    def undelivered(self, *, limit: int = 1000) -> list[Record]:
        return letters(self._call("letters", "undelivered", limit))

    def couriers_wanted(self) -> int:
        return int(self._call("couriers_wanted", COURIER_QUEUE))
