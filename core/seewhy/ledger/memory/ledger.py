"""The ledger's in-memory twin: the whole contract in one process, for tests and for reading.

It is also the plain model that the Lua is compared with, so it is written to be obvious.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

from seewhy.ledger.memory.finish import board, crowded, follow_up, settle
from seewhy.ledger.memory.outbox import MemoryOutbox
from seewhy.ledger.memory.restore import restore
from seewhy.ledger.memory.state import Book
from seewhy.ledger.memory.transitions import (
    cancel_claimed,
    complete,
    crashed,
    fail,
    release,
    renew,
    take,
)
from seewhy.ledger.types import (
    Claim,
    Completion,
    EpochMarker,
    IdempotencyKey,
    JobCounts,
    JobEvent,
    JobFailure,
    JobRecord,
    JobRestoration,
    LeaseStatus,
    LedgerPolicy,
    QueueLimit,
    Reservation,
    ReservationStatus,
    Submission,
    SubmissionReceipt,
    SweepResult,
)
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import JobState


class MemoryLedger:
    """Implements `seewhy.ledger.ports.ledger.Ledger` for the threads of one process."""

    def __init__(
        self,
        *,
        policy: LedgerPolicy | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        hints_waiting: Callable[[str], int] = lambda _: 0,
    ) -> None:
        """Start empty. `hints_waiting` counts the unread hints of a lane."""
        self._book = Book(policy or LedgerPolicy(), clock_ms, hints_waiting)
        self.outbox = MemoryOutbox(self._book)

    def reserve(self, key: IdempotencyKey, job_id: str, *, context: RequestContext) -> Reservation:
        with self._book.changed:
            known = self._book.keys.get((context.tenant, key.key))
            if known and known.expires_ms <= self._book.now():
                known = None
            if known and known.digest != key.request_digest:
                return Reservation(ReservationStatus.REUSED, known.job_id)
            if known and known.accepted:
                return Reservation(ReservationStatus.ACCEPTED, known.job_id)
            if known and self._book.now() < known.busy_until_ms:
                return Reservation(ReservationStatus.BUSY, known.job_id)
            bound = known.job_id if known else job_id
            self._book.bind(key, context, bound, accepted=False)
            return Reservation(ReservationStatus.NEW, bound)

    def release_reservation(
        self, key: IdempotencyKey, job_id: str, *, context: RequestContext
    ) -> bool:
        with self._book.changed:
            known = self._book.keys.get((context.tenant, key.key))
            if known is None or known.job_id != job_id or known.accepted:
                return False
            known.busy_until_ms = 0
            return True

    def submit(self, submission: Submission) -> SubmissionReceipt:
        with self._book.changed:
            if submission.job_id in self._book.entries:
                return SubmissionReceipt(submission.job_id, created=False, notify=False)
            if crowd := crowded(self._book, submission.lane, submission.context.tenant):
                return SubmissionReceipt(
                    submission.job_id, created=False, notify=False, limit_reached=crowd
                )
            entry = self._book.enter(submission)
            if submission.key:
                self._book.bind(
                    submission.key, submission.context, submission.job_id, accepted=True
                )
            self._book.look_again(submission.job_id)
            if entry.flight and not board(self._book, submission.job_id):
                return SubmissionReceipt(submission.job_id, created=True, notify=False)
            self._book.make_ready(submission.job_id)
            wanted = self._book.hints_wanted(submission.lane)
            return SubmissionReceipt(submission.job_id, created=True, notify=wanted > 0)

    def reached_limit(self, lane: str, *, context: RequestContext) -> QueueLimit | None:
        with self._book.changed:
            return crowded(self._book, lane, context.tenant)

    def claim(self, lanes: Sequence[str], *, owner: str, limit: int) -> list[Claim]:
        with self._book.changed:
            held = [e for e in self._book.entries.values() if e.record.owner == owner]
            if any(entry.record.alone for entry in held):
                return []
            for lane in lanes:
                while suspects := self._book.suspects(lane):
                    if held:
                        return []
                    if claim := take(self._book, suspects[0], owner):
                        return [claim]
            taken: list[Claim] = []
            for lane in lanes:
                while len(taken) < limit and (ready := self._book.next_ready(lane)):
                    if claim := take(self._book, ready, owner):
                        taken.append(claim)
            return taken

    def renew(self, claims: Sequence[Claim]) -> list[LeaseStatus]:
        with self._book.changed:
            return [renew(self._book, claim) for claim in claims]

    def complete(self, completions: Sequence[Completion]) -> list[bool]:
        with self._book.changed:
            return [
                self._book.fenced(c.claim, partial(complete, self._book, c)) for c in completions
            ]

    def fail(self, failures: Sequence[JobFailure]) -> list[bool]:
        with self._book.changed:
            return [self._book.fenced(f.claim, partial(fail, self._book, f)) for f in failures]

    def release(self, claims: Sequence[Claim], *, retry_in_ms: int = 0) -> list[bool]:
        back = partial(release, self._book, retry_in_ms=retry_in_ms)
        with self._book.changed:
            return [self._book.fenced(c, partial(back, c.job_id)) for c in claims]

    def cancel_claimed(self, claims: Sequence[Claim]) -> list[bool]:
        with self._book.changed:
            return [
                self._book.fenced(c, partial(cancel_claimed, self._book, c.job_id)) for c in claims
            ]

    def cancel(self, job_id: str) -> JobRecord | None:
        with self._book.changed:
            entry = self._book.entries.get(job_id)
            if entry and not entry.record.state.terminal:
                was = entry.record.state
                self._book.change(job_id, cancel_requested=True)
                if was is JobState.QUEUED:
                    settle(self._book, job_id, JobState.CANCELLED)
            return entry.record if entry else None

    def sweep(self, *, limit: int = 500) -> SweepResult:
        with self._book.changed:
            now = self._book.now()
            order = sorted(self._book.due.items(), key=lambda item: (item[1], item[0]))
            overdue = [job_id for job_id, at in order if at <= now][:limit]
            lanes: set[str] = set()
            for job_id in overdue:
                if self._examine(job_id):
                    lanes.add(self._book.entries[job_id].record.lane)
            rings = {lane: self._book.hints_wanted(lane) for lane in lanes}
            return SweepResult(len(overdue), {lane: n for lane, n in rings.items() if n})

    def read(self, job_id: str) -> JobRecord | None:
        with self._book.changed:
            entry = self._book.entries.get(job_id)
            return entry.record if entry and not self._book.forgotten(entry.record) else None

    def queue_position(self, record: JobRecord) -> int | None:
        if record.state is not JobState.QUEUED:
            return None
        with self._book.changed:
            return self._before(record.job_id)

    def counts(self) -> JobCounts:
        with self._book.changed:
            lanes = {entry.record.lane for entry in self._book.entries.values()}
            jobs = {lane: self._book.open_jobs(lane) for lane in lanes}
            return JobCounts(
                accepted=self._book.accepted,
                non_terminal=len(self._book.due),
                terminal=dict(self._book.terminal),
                open={lane: count for lane, count in jobs.items() if count},
            )

    def events(self, *, after: str, wait_ms: int) -> list[JobEvent]:
        with self._book.changed:
            start = int(after)
            self._book.changed.wait_for(lambda: len(self._book.events) > start, wait_ms / 1000)
            return self._book.events[start:]

    def list_unarchived(self, *, limit: int = 100) -> list[JobRecord]:
        with self._book.changed:
            return self._book.letters(self._book.unarchived, limit)

    def mark_archived(self, job_ids: Sequence[str]) -> None:
        with self._book.changed:
            for job_id in job_ids:
                self._book.unarchived.pop(job_id, None)

    def list_dead_letters(self, *, limit: int = 1000) -> list[JobRecord]:
        with self._book.changed:
            return self._book.letters(self._book.dead, limit)

    def dismiss(self, job_ids: Sequence[str]) -> int:
        with self._book.changed:
            return sum(self._book.dead.pop(job_id, None) is not None for job_id in job_ids)

    def restore(self, restoration: JobRestoration) -> bool:
        with self._book.changed:
            return restore(self._book, restoration)

    def epoch_marker(self) -> EpochMarker:
        """The server is this process: a ledger in memory does not outlive it."""
        with self._book.changed:
            epoch = self._book.epoch
            return EpochMarker(epoch, epoch and "memory", "memory")

    def acquire_leadership(self, owner: str, *, lease_ms: int, again: bool = False) -> bool:
        with self._book.changed:
            known, now = self._book.lead, self._book.now()
            mine = known is not None and known[0] == owner
            if not mine and (again or (known is not None and now < known[1])):
                return False
            self._book.lead = (owner, now + lease_ms)
            return True

    def set_epoch(self, epoch: str, *, owner: str) -> bool:
        with self._book.changed:
            if self._book.lead is None or self._book.lead[0] != owner:
                return False
            self._book.epoch, self._book.lead = epoch, None
            return True

    def check(self) -> None:
        """Nothing can be away."""

    def _examine(self, job_id: str) -> bool:
        """Look at an overdue job; True: it has been made ready."""
        entry = self._book.entries[job_id]
        if entry.record.state.terminal:  # given an outcome earlier in this very pass
            return False
        if entry.record.state is JobState.RUNNING:
            return crashed(self._book, job_id)
        if self._book.past_deadline(entry.record):
            settle(self._book, job_id, JobState.EXPIRED)
            return False
        if entry.follows:
            return follow_up(self._book, job_id)
        self._book.make_ready(job_id)
        return True

    def _before(self, job_id: str) -> int | None:
        """Play the turns forward until it is the job's."""
        entry = self._book.entries[self._book.entries[job_id].follows or job_id]
        lane = entry.record.lane
        if entry.record.alone and entry.ready:
            return self._book.suspects(lane).index(entry) + 1
        turns = dict(self._book.turns.get(lane, {}))
        queues = {tenant: self._book.queue(lane, tenant) for tenant in turns}
        for place in count(1):
            waiting = [tenant for tenant in turns if queues[tenant]]
            if not waiting or not entry.ready:
                return None
            tenant = min(waiting, key=lambda name: (turns[name], name))
            turns[tenant] += 1
            if queues[tenant].pop(0) is entry:
                return place
        return None
