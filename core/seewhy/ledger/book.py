"""The books behind the in-memory ledger: one plain function per transition of a job."""

import math
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from seewhy.explanations import State
from seewhy.ledger.records import (
    Claim,
    Completion,
    Event,
    Failure,
    Hold,
    IdempotencyKey,
    Policy,
    Record,
    Submission,
)


@dataclass(slots=True)
class Entry:
    """A record, and what only the ledger itself needs to know of it."""

    record: Record
    place: int
    ready: bool = True


@dataclass(slots=True)
class Key:
    """What an idempotency key is bound to."""

    digest: str
    job_id: str
    busy_until_ms: int
    expires_ms: int
    accepted: bool = False


@dataclass(slots=True)
class Book:
    """The state and its transitions. Callers hold `changed`."""

    policy: Policy
    now: Callable[[], int]
    hints_waiting: Callable[[str], int]
    entries: dict[str, Entry] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    unfiled: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    lead: tuple[str, int] | None = None
    epoch: str | None = None
    terminal: Counter[State] = field(default_factory=Counter)
    accepted: int = 0
    changed: threading.Condition = field(
        default_factory=lambda: threading.Condition(threading.RLock())
    )

    def bind(self, key: IdempotencyKey, job_id: str, *, accepted: bool) -> None:
        """Make a key stand for a job."""
        now = self.now()
        self.keys[key.key] = Key(
            digest=key.request_digest,
            job_id=job_id,
            busy_until_ms=now + self.policy.accepting_ms,
            expires_ms=now + self.policy.key_ttl_ms,
            accepted=accepted,
        )

    def enter(self, submission: Submission) -> None:
        """Write a new job down and make it ready."""
        now = self.now()
        self.accepted += 1
        record = Record(
            job_id=submission.job_id,
            state=State.QUEUED,
            lane=submission.lane,
            job=submission.job,
            submitted_ms=now,
            deadline_ms=None if submission.deadline_ms is None else now + submission.deadline_ms,
        )
        self.entries[submission.job_id] = Entry(record, place=self.accepted)
        self.make_ready(submission.job_id)

    def forgotten(self, record: Record) -> bool:
        """Whether the record is past its retention."""
        if record.finished_ms is None:
            return False
        return record.finished_ms + self.policy.retention_ms <= self.now()

    def change(self, job_id: str, **changes: object) -> Record:
        """Write fields of a record."""
        entry = self.entries[job_id]
        entry.record = replace(entry.record, **changes)  # type: ignore[arg-type]
        return entry.record

    def announce(self, job_id: str, state: State) -> None:
        """Tell every reader of events."""
        self.events.append(Event(str(len(self.events) + 1), job_id, state))
        self.changed.notify_all()

    def settle(self, job_id: str, state: State, **changes: object) -> None:
        """Give a job its outcome."""
        self.change(job_id, state=state, finished_ms=self.now(), owner=None, **changes)
        self.entries[job_id].ready = False
        del self.due[job_id]
        self.terminal[state] += 1
        if state is not State.SUCCEEDED:
            self.unfiled[job_id] = self.now()
        if state is State.FAILED:
            self.dead[job_id] = self.now()
        self.announce(job_id, state)

    def letters(self, listed: dict[str, int], limit: int) -> list[Record]:
        """List the records on a list, the oldest first, and drop those that are forgotten."""
        order = sorted(listed, key=lambda job_id: (listed[job_id], job_id))[:limit]
        records = [self.entries[job_id].record for job_id in order]
        for record in records:
            if self.forgotten(record):
                del listed[record.job_id]
        return [record for record in records if not self.forgotten(record)]

    def past_deadline(self, record: Record) -> bool:
        """Whether the deadline is over."""
        return record.deadline_ms is not None and record.deadline_ms <= self.now()

    def called_off(self, job_id: str) -> bool:
        """Cancel or expire a job whose client or deadline says so."""
        record = self.entries[job_id].record
        if record.cancel_requested:
            self.settle(job_id, State.CANCELLED)
        elif self.past_deadline(record):
            self.settle(job_id, State.EXPIRED)
        else:
            return False
        return True

    def requeue(self, job_id: str) -> None:
        """Make a running job wait again."""
        self.change(job_id, state=State.QUEUED, owner=None)
        self.announce(job_id, State.QUEUED)

    def make_ready(self, job_id: str) -> None:
        """Put a queued job where it can be claimed."""
        entry, now = self.entries[job_id], self.now()
        age = now - entry.record.submitted_ms
        at = now + max(self.policy.look_ms, min(age, self.policy.look_limit_ms))
        if entry.record.deadline_ms is not None:
            at = min(at, entry.record.deadline_ms)
        entry.ready = True
        self.due[job_id] = at

    def waiting(self, lane: str, *, alone: bool) -> list[Entry]:
        """List the ready jobs of a lane in their order."""
        entries = [
            entry
            for entry in self.entries.values()
            if entry.ready and entry.record.lane == lane and entry.record.alone is alone
        ]
        return sorted(entries, key=lambda entry: (entry.place, entry.record.job_id))

    def hints_wanted(self, lane: str) -> int:
        """Count the hints that the waiting jobs of a lane still lack."""
        waiting = len(self.waiting(lane, alone=False)) + len(self.waiting(lane, alone=True))
        wanted = min(math.ceil(waiting / self.policy.hint_every), self.policy.hints_at_most)
        return max(0, wanted - self.hints_waiting(lane))

    def take(self, entry: Entry, owner: str) -> Claim | None:
        """Claim one ready job, unless its deadline is over."""
        record, now = entry.record, self.now()
        entry.ready = False
        if self.past_deadline(record):
            self.settle(record.job_id, State.EXPIRED)
            return None
        record = self.change(
            record.job_id,
            state=State.RUNNING,
            owner=owner,
            fence=record.fence + 1,
            attempts=record.attempts + 1,
            started_ms=now if record.started_ms is None else record.started_ms,
        )
        self.due[record.job_id] = now + self.policy.lease_ms
        self.announce(record.job_id, State.RUNNING)
        return Claim(record.job_id, record.fence, record.attempts, record.lane, record.job)

    def current(self, claim: Claim) -> bool:
        """Whether the claim may still finish its job."""
        entry = self.entries.get(claim.job_id)
        return bool(
            entry and entry.record.state is State.RUNNING and entry.record.fence == claim.fence
        )

    def fenced(self, claim: Claim, finish: Callable[[], bool | None]) -> bool:
        """Run `finish` if the claim may still finish its job; False if it may not, or says so."""
        return self.current(claim) and finish() is not False

    def extend(self, claim: Claim) -> Hold:
        """Renew one lease."""
        if not self.current(claim):
            return Hold.LOST
        record = self.entries[claim.job_id].record
        if self.past_deadline(record):
            self.settle(claim.job_id, State.EXPIRED)
            return Hold.LOST
        self.due[claim.job_id] = self.now() + self.policy.lease_ms
        return Hold.CANCEL if record.cancel_requested else Hold.HELD

    def complete(self, completion: Completion) -> None:
        """Make a job succeeded."""
        self.settle(completion.claim.job_id, State.SUCCEEDED, result=completion.result)

    def withdraw(self, job_id: str) -> bool:
        """Make a job cancelled if that was asked for."""
        if not self.entries[job_id].record.cancel_requested:
            return False
        self.settle(job_id, State.CANCELLED)
        return True

    def fail(self, failure: Failure) -> None:
        """Fail a job, or let it wait for another attempt."""
        job_id, delay_ms = failure.claim.job_id, failure.retry_in_ms
        attempts = self.entries[job_id].record.attempts
        if delay_ms is None or attempts >= self.policy.max_attempts:
            error = {"error_code": failure.code, "error_detail": failure.detail}
            self.settle(job_id, State.FAILED, **error)
        elif not self.called_off(job_id):
            self.requeue(job_id)
            self.due[job_id] = self.now() + delay_ms

    def release(self, job_id: str) -> None:
        """Give one job back uncharged."""
        self.change(job_id, attempts=self.entries[job_id].record.attempts - 1)
        if not self.called_off(job_id):
            self.requeue(job_id)
            self.make_ready(job_id)

    def crashed(self, job_id: str) -> bool:
        """Judge a job whose lease ran out; True if it is to run again."""
        record = self.entries[job_id].record
        self.change(job_id, crashes=record.crashes + 1)
        if self.called_off(job_id):
            return False
        if record.attempts >= self.policy.max_attempts:
            self.settle(
                job_id,
                State.FAILED,
                error_code="worker_lost",
                error_detail="The worker died or fell silent on every attempt.",
            )
            return False
        self.requeue(job_id)
        self.change(job_id, alone=True)
        return True
