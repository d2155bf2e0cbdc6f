"""The state of the in-memory ledger, and the smallest steps on it."""

import math
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from seewhy.ledger.types import (
    DISPATCHER_QUEUE,
    BatchRecord,
    DeliveryState,
    IdempotencyKey,
    JobEvent,
    JobRecord,
    LedgerPolicy,
    QuotaName,
    Submission,
    WebhookStatus,
)
from seewhy.ledger.types.deliveries import BATCH_PREFIX
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState, Priority


@dataclass(slots=True)
class Entry:
    """A record, and what only the ledger itself uses of it."""

    record: JobRecord
    sequence: int
    """The place in the queue: lower numbers run first."""
    ready: bool = False
    fingerprint: str | None = None
    duplicate_of: str | None = None
    crash_fence: int | None = None
    """The claim that was lost in the latest exposed crash."""
    owed_passes: int = 0
    """What a duplicate costs if it is computed after all."""
    claimed_ms: int = 0
    """When it was claimed last."""
    redelivered_ms: int | None = None
    """When the delivery of its webhook was last requested again."""


@dataclass(slots=True)
class BoundKey:
    """The job that an idempotency key is bound to."""

    request_digest: str
    job_id: str
    reserved_until_ms: int
    expires_ms: int
    accepted: bool = False


@dataclass(slots=True)
class Original:
    """The job that computes, or has computed, the outcome for a fingerprint."""

    job_id: str
    expires_ms: float = math.inf


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """When a claimed job finished, for the throughput of its lane."""

    at_ms: int
    lane: str
    tenant: str
    cost: int


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """What a submission or an upload took from a quota of a key, in a step of ten seconds."""

    step: int
    key_id: str | None
    name: QuotaName
    amount: int


@dataclass(slots=True)
class LedgerState:
    """The state. Callers hold `changed`."""

    policy: LedgerPolicy
    now: Callable[[], int]
    unread_wakeups: Callable[[str], int]
    """Count the unread wakeups in a Celery queue."""
    entries: dict[str, Entry] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    virtual_time: dict[str, dict[str, int]] = field(default_factory=dict)
    """Lane → tenant → virtual time; the lowest goes first."""
    virtual_clock: dict[str, int] = field(default_factory=dict)
    """Lane → the virtual time of the last tenant whose turn it was."""
    pass_us: dict[str, int] = field(default_factory=dict)
    """Model → device time of a forward pass."""
    originals: dict[str, Original] = field(default_factory=dict)
    """Fingerprint → original."""
    finished: list[FinishedJob] = field(default_factory=list)
    """In the order of their times."""
    quota_uses: list[QuotaUse] = field(default_factory=list)
    keys: dict[tuple[str, str], BoundKey] = field(default_factory=dict)
    """(tenant, idempotency key) → job."""
    events: list[JobEvent] = field(default_factory=list)
    unarchived: dict[str, int] = field(default_factory=dict)
    unarchived_batches: dict[str, int] = field(default_factory=dict)
    dead_letters: dict[str, int] = field(default_factory=dict)
    shareable: int = 0
    """How many duplicates the current step may still finish."""
    outbox: dict[str, dict[str, int]] = field(default_factory=dict)
    """Origin → job → when its webhook is due."""
    deliveries_added: int = 0
    undelivered: dict[str, int] = field(default_factory=dict)
    origin_leases: dict[str, int] = field(default_factory=dict)
    """Origin → end of its lease or pause."""
    batches: dict[str, BatchRecord] = field(default_factory=dict)
    """Without the counts of their jobs."""
    batches_due: dict[str, int] = field(default_factory=dict)
    """Batch → when an acceptor may lease it."""
    leadership: tuple[str, int] | None = None
    """The owner, and the end of its lease."""
    epoch: str | None = None
    marked_ms: int | None = None
    """When the epoch was set: what became of jobs before may be lost."""
    terminal: Counter[JobState] = field(default_factory=Counter)
    accepted: int = 0
    leases_expired: int = 0
    durations_ms: dict[Priority, list[int]] = field(
        default_factory=lambda: {priority: [] for priority in Priority}
    )
    """Of the jobs that were computed and succeeded."""
    changed: threading.Condition = field(
        default_factory=lambda: threading.Condition(threading.RLock())
    )

    def bind_key(
        self, key: IdempotencyKey, context: RequestContext, job_id: str, *, accepted: bool
    ) -> BoundKey:
        """Bind an idempotency key to a job."""
        now, policy = self.now(), self.policy
        ttl_ms = policy.idempotency_ttl_ms if accepted else policy.reservation_ttl_ms
        bound = BoundKey(
            request_digest=key.request_digest,
            job_id=job_id,
            reserved_until_ms=now + self.policy.reservation_ms,
            expires_ms=now + ttl_ms,
            accepted=accepted,
        )
        self.keys[context.tenant, key.key] = bound
        return bound

    def find_key(self, key: IdempotencyKey, context: RequestContext) -> BoundKey | None:
        """Return what a key is bound to; None when it is unbound or has expired."""
        bound = self.keys.get((context.tenant, key.key))
        return bound if bound and bound.expires_ms > self.now() else None

    def restore_key(
        self, key: IdempotencyKey, context: RequestContext, job_id: str, submitted_ms: int
    ) -> None:
        """Bind the key of a restored job or batch, for what is left of its time."""
        expires_ms = submitted_ms + self.policy.idempotency_ttl_ms
        bound = self.find_key(key, context)
        if expires_ms > self.now() and (bound is None or bound.job_id == job_id):
            self.bind_key(key, context, job_id, accepted=True).expires_ms = expires_ms

    def accept(self, submission: Submission) -> Entry:
        """Add a new job."""
        self.accepted += 1
        record = JobRecord.accepted(submission, submitted_ms=self.now())
        entry = Entry(record, sequence=self.accepted, fingerprint=submission.fingerprint)
        self.entries[submission.job_id] = entry
        return entry

    def has_expired(self, record: JobRecord) -> bool:
        """Whether the record is past its retention."""
        if record.finished_ms is None:
            return False
        return record.finished_ms + self.retention_ms(record) <= self.now()

    def retention_ms(self, record: JobRecord) -> int:
        """Return how long the record is kept after its job has finished."""
        retention_ms = self.policy.retention_ms
        if record.webhook:
            retention_ms = max(retention_ms, self.policy.webhook_retention_ms)
        return retention_ms

    def past_deadline(self, record: JobRecord) -> bool:
        """Whether the deadline has passed."""
        return record.deadline_ms is not None and record.deadline_ms <= self.now()

    def update(self, job_id: str, **changes: object) -> JobRecord:
        """Change fields of a record."""
        entry = self.entries[job_id]
        entry.record = replace(entry.record, **changes)  # type: ignore[arg-type]
        return entry.record

    def update_batch(self, batch_id: str, **changes: object) -> BatchRecord:
        """Change fields of the record of a batch."""
        self.batches[batch_id] = replace(self.batches[batch_id], **changes)  # type: ignore[arg-type]
        return self.batches[batch_id]

    def publish_event(self, job_id: str, state: JobState) -> None:
        """Publish a change of state to all readers of events."""
        self.events.append(JobEvent(str(len(self.events) + 1), job_id, state))
        self.changed.notify_all()

    def list_records(self, listed: dict[str, int], limit: int) -> list[JobRecord]:
        """List the records of a list, the oldest first, and remove those that have expired."""
        order = sorted(listed, key=lambda job_id: (listed[job_id], job_id))[:limit]
        records = [self.entries[job_id].record for job_id in order]
        for record in records:
            if self.has_expired(record):
                del listed[record.job_id]
        return [record for record in records if not self.has_expired(record)]

    def add_delivery(self, job_id: str) -> None:
        """Add the webhook of a finished job, if it has one, to the outbox."""
        webhook = self.entries[job_id].record.webhook
        if webhook:
            pending = WebhookStatus(webhook.url, DeliveryState.PENDING, detail=webhook.detail)
            self.update(job_id, webhook=pending)
            self.outbox.setdefault(origin_of(webhook.url), {})[job_id] = self.now()
            self.undelivered.pop(job_id, None)
            self.deliveries_added += 1

    def add_batch_delivery(self, batch_id: str) -> None:
        """Add the webhook of an ended batch, if it has one, to the outbox."""
        webhook = self.batches[batch_id].webhook
        if webhook:
            pending = WebhookStatus(webhook.url, DeliveryState.PENDING)
            self.update_batch(batch_id, webhook=pending)
            rows = self.outbox.setdefault(origin_of(webhook.url), {})
            rows[f"{BATCH_PREFIX}{batch_id}"] = self.now()
            self.deliveries_added += 1

    def find_delivered(self, name: str) -> JobRecord | BatchRecord | None:
        """Return what a row of the outbox is about, within its retention."""
        if name.startswith(BATCH_PREFIX):
            batch = self.batches.get(name.removeprefix(BATCH_PREFIX))
            return batch if batch and not self.batch_has_expired(batch) else None
        entry = self.entries.get(name)
        return entry.record if entry and not self.has_expired(entry.record) else None

    def update_webhook(self, name: str, webhook: WebhookStatus) -> JobRecord | BatchRecord:
        """Change the state of a delivery."""
        if name.startswith(BATCH_PREFIX):
            return self.update_batch(name.removeprefix(BATCH_PREFIX), webhook=webhook)
        return self.update(name, webhook=webhook)

    def batch_has_expired(self, batch: BatchRecord) -> bool:
        """Whether the record of a batch is past its retention."""
        if batch.finished_ms is None:
            return False
        retention_ms = self.policy.retention_ms
        if batch.webhook:
            retention_ms = max(retention_ms, self.policy.webhook_retention_ms)
        return batch.finished_ms + retention_ms <= self.now()

    def counted(self, batch: BatchRecord) -> BatchRecord:
        """Return the record of a batch with its jobs counted by state."""
        records = (entry.record for entry in self.entries.values())
        counts = Counter(str(r.state) for r in records if r.batch == batch.batch_id)
        return replace(batch, **counts)  # type: ignore[arg-type]

    def due_origins(self) -> list[str]:
        """List the origins with a due delivery and without a lease, the longest due first."""
        order = sorted((at, origin) for origin, at in self.origins_due().items())
        return [origin for at, origin in order if at <= self.now()]

    def origins_due(self) -> dict[str, int]:
        """Return when each origin with deliveries may be leased."""
        return {
            origin: max(min(rows.values()), self.origin_leases.get(origin, 0))
            for origin, rows in self.outbox.items()
            if rows
        }

    def dispatcher_wakeups_needed(self) -> int:
        """Count the wakeups that webhook dispatchers need."""
        wanted = min(len(self.due_origins()), self.policy.max_wakeups)
        return max(0, wanted - self.unread_wakeups(DISPATCHER_QUEUE))


class StateOwner:
    """A part of the in-memory ledger. Every public method locks the state for one atomic step."""

    _state: LedgerState


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL as they are written."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0]}"
