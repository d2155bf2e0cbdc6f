"""The outbox's in-memory twin."""

from collections.abc import Sequence
from dataclasses import replace

from seewhy.ledger.memory.state import Book
from seewhy.ledger.ports.outbox import Attempt, Delivery, DeliveryResult, OriginLease
from seewhy.ledger.types import DISPATCHER_QUEUE, DeliveryState, JobRecord

STATES = {
    DeliveryResult.DELIVERED: DeliveryState.DELIVERED,
    DeliveryResult.REFUSED: DeliveryState.REFUSED,
    DeliveryResult.EXHAUSTED: DeliveryState.EXHAUSTED,
}


class MemoryOutbox:
    """Implements `seewhy.ledger.ports.outbox.Outbox`, on the books of the ledger beside it."""

    def __init__(self, book: Book) -> None:
        """Deliver what this book says."""
        self._book = book

    def lease_origin(self, *, limit: int) -> OriginLease | None:
        with self._book.changed:
            book, now = self._book, self._book.now()
            for origin in self._origins():
                rows = book.outbox[origin]
                order = sorted((at, job_id) for job_id, at in rows.items() if at <= now)
                notices = [n for _, job_id in order[:limit] if (n := self._charge(origin, job_id))]
                self._tidy(origin)
                if notices:
                    book.couriers[origin] = until_ms = now + book.policy.turn_ms
                    return OriginLease(origin, until_ms, tuple(notices))
            return None

    def report(self, turn: OriginLease, tried: Sequence[Attempt], *, pause_ms: int = 0) -> None:
        with self._book.changed:
            book, now = self._book, self._book.now()
            for one in tried:
                self._note(turn.origin, one)
            if book.couriers.get(turn.origin) == turn.until_ms:
                del book.couriers[turn.origin]
                if pause_ms:
                    book.couriers[turn.origin] = now + pause_ms
            self._tidy(turn.origin)

    def redeliver(self, job_id: str) -> bool:
        with self._book.changed:
            entry = self._book.entries.get(job_id)
            if not entry or not entry.record.webhook or not entry.record.state.terminal:
                return False
            if self._book.forgotten(entry.record):
                return False
            self._book.change(job_id, webhook=replace(entry.record.webhook, detail=None))
            self._book.post(job_id)
            return True

    def list_undelivered(self, *, limit: int = 1000) -> list[JobRecord]:
        with self._book.changed:
            return self._book.letters(self._book.undelivered, limit)

    def wakeups_needed(self) -> int:
        with self._book.changed:
            wanted = min(len(self._origins()), self._book.policy.hints_at_most)
            return max(0, wanted - self._book.hints_waiting(DISPATCHER_QUEUE))

    def _origins(self) -> list[str]:
        """List the origins where something is due and nobody is, the longest due first."""
        book, now = self._book, self._book.now()
        first = {origin: min(rows.values()) for origin, rows in book.outbox.items() if rows}
        due = sorted((at, origin) for origin, at in first.items() if at <= now)
        return [origin for _, origin in due if book.couriers.get(origin, 0) <= now]

    def _charge(self, origin: str, job_id: str) -> Delivery | None:
        record = self._book.entries[job_id].record
        if record.webhook is None or self._book.forgotten(record):
            del self._book.outbox[origin][job_id]
            return None
        attempt = record.webhook.attempts + 1
        record = self._book.change(job_id, webhook=replace(record.webhook, attempts=attempt))
        self._book.outbox[origin][job_id] = self._book.now() + self._book.policy.turn_ms
        return Delivery(record, attempt)

    def _note(self, origin: str, tried: Attempt) -> None:
        job_id = tried.notice.record.job_id
        entry = self._book.entries.get(job_id)
        webhook = entry.record.webhook if entry else None
        if webhook is None or webhook.state is not DeliveryState.PENDING:
            return
        if webhook.attempts != tried.notice.attempt:
            return
        webhook = replace(webhook, detail=tried.detail or None)
        rows = self._book.outbox[origin]
        if tried.verdict is DeliveryResult.RETRY:
            rows[job_id] = self._book.now() + tried.retry_in_ms
        elif tried.verdict is DeliveryResult.UNTRIED:
            webhook = replace(webhook, attempts=webhook.attempts - 1)
            rows[job_id] = self._book.now()
        else:
            webhook = replace(webhook, state=STATES[tried.verdict])
            rows.pop(job_id, None)
            if tried.verdict is not DeliveryResult.DELIVERED:
                self._book.undelivered[job_id] = self._book.now()
        self._book.change(job_id, webhook=webhook)

    def _tidy(self, origin: str) -> None:
        if not self._book.outbox.get(origin):
            self._book.outbox.pop(origin, None)
            self._book.couriers.pop(origin, None)
