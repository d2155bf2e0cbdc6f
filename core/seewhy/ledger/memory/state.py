"""The books behind the in-memory ledger: its state, and the small steps on it."""

import math
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from seewhy.ledger.types import (
    Claim,
    DeliveryState,
    IdempotencyKey,
    JobEvent,
    JobRecord,
    LedgerPolicy,
    Submission,
    WebhookStatus,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState


@dataclass(slots=True)
class Entry:
    """A record, and what only the ledger itself needs to know of it."""

    record: JobRecord
    place: int
    ready: bool = False
    flight: str | None = None
    follows: str | None = None


@dataclass(slots=True)
class Key:
    """What an idempotency key is bound to."""

    digest: str
    job_id: str
    busy_until_ms: int
    expires_ms: int
    accepted: bool = False


@dataclass(slots=True)
class Flight:
    """Who computes, or has computed, what others ask too."""

    leader: str
    expires_ms: float = math.inf


@dataclass(frozen=True, slots=True)
class Ended:
    """When a worker ended a job, and whose it was."""

    at_ms: int
    lane: str
    tenant: str


@dataclass(slots=True)
class Book:
    """The state. Callers hold `changed`."""

    policy: LedgerPolicy
    now: Callable[[], int]
    hints_waiting: Callable[[str], int]
    entries: dict[str, Entry] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    turns: dict[str, dict[str, int]] = field(default_factory=dict)
    """Lane → tenant → its next turn."""
    flights: dict[str, Flight] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    keys: dict[tuple[str, str], Key] = field(default_factory=dict)
    events: list[JobEvent] = field(default_factory=list)
    unarchived: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    outbox: dict[str, dict[str, int]] = field(default_factory=dict)
    """Origin → job → when its webhook is due."""
    undelivered: dict[str, int] = field(default_factory=dict)
    couriers: dict[str, int] = field(default_factory=dict)
    """Origin → until when nobody else is to call there."""
    lead: tuple[str, int] | None = None
    epoch: str | None = None
    terminal: Counter[JobState] = field(default_factory=Counter)
    accepted: int = 0
    changed: threading.Condition = field(
        default_factory=lambda: threading.Condition(threading.RLock())
    )

    def bind(
        self, key: IdempotencyKey, context: RequestContext, job_id: str, *, accepted: bool
    ) -> None:
        """Make a key stand for a job."""
        now = self.now()
        self.keys[context.tenant, key.key] = Key(
            digest=key.request_digest,
            job_id=job_id,
            busy_until_ms=now + self.policy.accepting_ms,
            expires_ms=now + self.policy.key_ttl_ms,
            accepted=accepted,
        )

    def enter(self, submission: Submission) -> Entry:
        """Write a new job down."""
        now = self.now()
        self.accepted += 1
        record = JobRecord(
            job_id=submission.job_id,
            state=JobState.QUEUED,
            lane=submission.lane,
            job=submission.job,
            context=submission.context,
            submitted_ms=now,
            deadline_ms=None if submission.deadline_ms is None else now + submission.deadline_ms,
            webhook=WebhookStatus(submission.webhook) if submission.webhook else None,
        )
        entry = Entry(record, place=self.accepted, flight=submission.fingerprint)
        self.entries[submission.job_id] = entry
        return entry

    def forgotten(self, record: JobRecord) -> bool:
        """Whether the record is past its retention, and its webhook past its tries."""
        if record.finished_ms is None:
            return False
        kept_ms = self.policy.retention_ms
        if record.webhook:
            kept_ms = max(kept_ms, self.policy.webhook_ms)
        return record.finished_ms + kept_ms <= self.now()

    def change(self, job_id: str, **changes: object) -> JobRecord:
        """Write fields of a record."""
        entry = self.entries[job_id]
        entry.record = replace(entry.record, **changes)  # type: ignore[arg-type]
        return entry.record

    def announce(self, job_id: str, state: JobState) -> None:
        """Tell every reader of events."""
        self.events.append(JobEvent(str(len(self.events) + 1), job_id, state))
        self.changed.notify_all()

    def letters(self, listed: dict[str, int], limit: int) -> list[JobRecord]:
        """List the records on a list, the oldest first, and drop those that are forgotten."""
        order = sorted(listed, key=lambda job_id: (listed[job_id], job_id))[:limit]
        records = [self.entries[job_id].record for job_id in order]
        for record in records:
            if self.forgotten(record):
                del listed[record.job_id]
        return [record for record in records if not self.forgotten(record)]

    def past_deadline(self, record: JobRecord) -> bool:
        """Whether the deadline is over."""
        return record.deadline_ms is not None and record.deadline_ms <= self.now()

    def look_again(self, job_id: str) -> None:
        """Set the time at which someone must look at a waiting job."""
        record, now = self.entries[job_id].record, self.now()
        age = now - record.submitted_ms
        at = now + max(self.policy.look_ms, min(age, self.policy.look_limit_ms))
        self.due[job_id] = at if record.deadline_ms is None else min(at, record.deadline_ms)

    def make_ready(self, job_id: str) -> None:
        """Put a queued job where it can be claimed."""
        entry = self.entries[job_id]
        if not entry.record.alone:
            turns = self.turns.setdefault(entry.record.lane, {})
            turns.setdefault(entry.record.context.tenant, min(turns.values(), default=0))
        entry.ready = True
        self.look_again(job_id)

    def suspects(self, lane: str) -> list[Entry]:
        """List the ready jobs of a lane that must run alone, in their order."""
        return self._ready(lambda r: r.lane == lane and r.alone)

    def queue(self, lane: str, tenant: str) -> list[Entry]:
        """List a tenant's other ready jobs in a lane, in their order."""
        return self._ready(lambda r: r.lane == lane and r.context.tenant == tenant and not r.alone)

    def _ready(self, wanted: Callable[[JobRecord], bool]) -> list[Entry]:
        entries = [entry for entry in self.entries.values() if entry.ready and wanted(entry.record)]
        return sorted(entries, key=lambda entry: (entry.place, entry.record.job_id))

    def next_ready(self, lane: str) -> Entry | None:
        """Find the job whose tenant's turn it is; the tenants without one leave the round."""
        turns = self.turns.setdefault(lane, {})
        while turns:
            tenant = min(turns, key=lambda name: (turns[name], name))
            if queue := self.queue(lane, tenant):
                turns[tenant] += 1
                return queue[0]
            del turns[tenant]
        return None

    def hints_wanted(self, lane: str) -> int:
        """Count the hints that the waiting jobs of a lane still lack."""
        waiting = len(self._ready(lambda r: r.lane == lane))
        wanted = min(math.ceil(waiting / self.policy.hint_every), self.policy.hints_at_most)
        return max(0, wanted - self.hints_waiting(lane))

    def open_jobs(self, lane: str, tenant: str | None = None) -> int:
        """Count the jobs of a lane, or of one tenant in it, that have not ended."""
        records = [entry.record for entry in self.entries.values()]
        mine = (r for r in records if r.lane == lane and tenant in {None, r.context.tenant})
        return sum(not record.state.terminal for record in mine)

    def current(self, claim: Claim) -> bool:
        """Whether the claim may still finish its job."""
        entry = self.entries.get(claim.job_id)
        return bool(
            entry and entry.record.state is JobState.RUNNING and entry.record.fence == claim.fence
        )

    def fenced(self, claim: Claim, finish: Callable[[], bool | None]) -> bool:
        """Run `finish` if the claim may still finish its job; False if it may not, or says so."""
        return self.current(claim) and finish() is not False

    def requeue(self, job_id: str) -> None:
        """Make a running job wait again."""
        self.change(job_id, state=JobState.QUEUED, owner=None)
        self.announce(job_id, JobState.QUEUED)

    def post(self, job_id: str) -> None:
        """Write the row of a webhook that is to be delivered now."""
        webhook = self.entries[job_id].record.webhook
        if webhook:
            fresh = WebhookStatus(webhook.url, DeliveryState.PENDING, detail=webhook.detail)
            self.change(job_id, webhook=fresh)
            self.outbox.setdefault(origin_of(webhook.url), {})[job_id] = self.now()
            self.undelivered.pop(job_id, None)


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL as it is written."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0]}"
