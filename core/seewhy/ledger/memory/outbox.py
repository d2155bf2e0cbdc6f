"""The webhook outbox in memory."""

from collections.abc import Sequence
from dataclasses import replace

from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.types import (
    Attempt,
    BatchRecord,
    Delivery,
    DeliveryResult,
    DeliveryState,
    JobRecord,
    OriginLease,
    Redelivery,
)

FINAL_STATES = {
    DeliveryResult.DELIVERED: DeliveryState.DELIVERED,
    DeliveryResult.REFUSED: DeliveryState.REFUSED,
    DeliveryResult.EXHAUSTED: DeliveryState.EXHAUSTED,
}


class MemoryOutbox:
    """Implements `seewhy.ledger.ports.outbox.Outbox` on the state of an in-memory ledger."""

    def __init__(self, state: LedgerState) -> None:
        """Deliver from this state."""
        self._state = state

    def lease_origin(self, *, limit: int) -> OriginLease | None:
        """Lease the origin that has waited longest, with up to `limit` due deliveries."""
        state = self._state
        with state.changed:
            now = state.now()
            for origin in state.due_origins():
                rows = state.outbox[origin]
                order = sorted((at, job_id) for job_id, at in rows.items() if at <= now)
                charged = [self._charge(origin, job_id) for _, job_id in order[:limit]]
                deliveries = tuple(delivery for delivery in charged if delivery)
                self._remove_if_empty(origin)
                if deliveries:
                    expires_ms = now + state.policy.origin_lease_ms
                    state.origin_leases[origin] = expires_ms
                    return OriginLease(origin, expires_ms, deliveries)
            return None

    def report(self, lease: OriginLease, attempts: Sequence[Attempt], *, pause_ms: int = 0) -> None:
        """Report the attempts and end the lease. Nothing is sent to the origin for `pause_ms`."""
        state = self._state
        with state.changed:
            now = state.now()
            for attempt in attempts:
                self._record_attempt(lease.origin, attempt)
            if state.origin_leases.get(lease.origin) == lease.expires_ms:
                del state.origin_leases[lease.origin]
                if pause_ms:
                    state.origin_leases[lease.origin] = now + pause_ms
            self._remove_if_empty(lease.origin)

    def redeliver(self, job_id: str, *, interval_ms: int = 0) -> Redelivery:
        """Deliver an outcome again, with fresh attempts, at most once in `interval_ms`."""
        state = self._state
        with state.changed:
            entry = state.entries.get(job_id)
            if not entry or not entry.record.webhook or not entry.record.state.terminal:
                return Redelivery(scheduled=False)
            if state.has_expired(entry.record):
                return Redelivery(scheduled=False)
            if entry.redelivered_ms is not None:
                wait_ms = entry.redelivered_ms + interval_ms - state.now()
                if wait_ms > 0:
                    return Redelivery(scheduled=False, wait_ms=wait_ms)
            entry.redelivered_ms = state.now()
            state.update(job_id, webhook=replace(entry.record.webhook, detail=None))
            state.add_delivery(job_id)
            return Redelivery(scheduled=True)

    def list_undelivered(self, *, limit: int = 1000) -> list[JobRecord]:
        """List the outcomes whose delivery was refused or exhausted, the oldest first."""
        with self._state.changed:
            return self._state.list_records(self._state.undelivered, limit)

    def wakeups_needed(self) -> int:
        """Count the wakeups that dispatchers need."""
        with self._state.changed:
            return self._state.dispatcher_wakeups_needed()

    def _charge(self, origin: str, name: str) -> Delivery | None:
        """Charge an attempt to a delivery; None when its record has expired."""
        state = self._state
        record = state.find_delivered(name)
        if record is None or record.webhook is None:
            del state.outbox[origin][name]
            return None
        number = record.webhook.attempts + 1
        record = state.update_webhook(name, replace(record.webhook, attempts=number))
        state.outbox[origin][name] = state.now() + state.policy.origin_lease_ms
        return Delivery(
            state.counted(record) if isinstance(record, BatchRecord) else record, number
        )

    def _record_attempt(self, origin: str, attempt: Attempt) -> None:
        state, name = self._state, attempt.delivery.name
        record = state.find_delivered(name)
        webhook = record.webhook if record else None
        if webhook is None or webhook.state is not DeliveryState.PENDING:
            return
        if webhook.attempts != attempt.delivery.attempt:
            return
        webhook = replace(webhook, detail=attempt.detail)
        rows = state.outbox[origin]
        if attempt.result is DeliveryResult.RETRY:
            rows[name] = state.now() + attempt.retry_in_ms
        elif attempt.result is DeliveryResult.NOT_ATTEMPTED:
            webhook = replace(webhook, attempts=webhook.attempts - 1)
            rows[name] = state.now() + attempt.retry_in_ms
        else:
            webhook = replace(webhook, state=FINAL_STATES[attempt.result])
            rows.pop(name, None)
            if attempt.result is not DeliveryResult.DELIVERED and name in state.entries:
                state.undelivered[name] = state.now()
        state.update_webhook(name, webhook)

    def _remove_if_empty(self, origin: str) -> None:
        if not self._state.outbox.get(origin):
            self._state.outbox.pop(origin, None)
            self._state.origin_leases.pop(origin, None)
