"""The ledger's in-memory twin: the whole contract in one process, for tests and for reading.

It is also the plain model that the Lua is compared with, so it is written to be obvious.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

from seewhy.explanations import State
from seewhy.ledger.book import Book
from seewhy.ledger.records import (
    Claim,
    Completion,
    Counts,
    Event,
    Failure,
    Hold,
    IdempotencyKey,
    Marker,
    Policy,
    Receipt,
    Record,
    Reservation,
    Reserved,
    Restoration,
    Submission,
    Swept,
)
from seewhy.ledger.restoring import restore


class MemoryLedger:
    """Implements `seewhy.ledger.ledger.Ledger` for the threads of one process."""

    def __init__(
        self,
        *,
        policy: Policy | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        hints_waiting: Callable[[str], int] = lambda _: 0,
    ) -> None:
        """Start empty. `hints_waiting` counts the unread hints of a lane."""
        self._book = Book(policy or Policy(), clock_ms, hints_waiting)

    def reserve(self, key: IdempotencyKey, job_id: str) -> Reservation:
        with self._book.changed:
            known = self._book.keys.get(key.key)
            if known and known.expires_ms <= self._book.now():
                known = None
            if known and known.digest != key.request_digest:
                return Reservation(Reserved.REUSED, known.job_id)
            if known and known.accepted:
                return Reservation(Reserved.ACCEPTED, known.job_id)
            if known and self._book.now() < known.busy_until_ms:
                return Reservation(Reserved.BUSY, known.job_id)
            bound = known.job_id if known else job_id
            self._book.bind(key, bound, accepted=False)
            return Reservation(Reserved.NEW, bound)

    def abandon(self, key: IdempotencyKey, job_id: str) -> bool:
        with self._book.changed:
            known = self._book.keys.get(key.key)
            if known is None or known.job_id != job_id or known.accepted:
                return False
            known.busy_until_ms = 0
            return True

    def submit(self, submission: Submission) -> Receipt:
        with self._book.changed:
            if submission.job_id in self._book.entries:
                return Receipt(submission.job_id, created=False, ring=False)
            self._book.enter(submission)
            if submission.key:
                self._book.bind(submission.key, submission.job_id, accepted=True)
            self._book.make_ready(submission.job_id)
            wanted = self._book.hints_wanted(submission.lane)
            return Receipt(submission.job_id, created=True, ring=wanted > 0)

    def claim(self, lanes: Sequence[str], *, owner: str, limit: int) -> list[Claim]:
        with self._book.changed:
            held = [e for e in self._book.entries.values() if e.record.owner == owner]
            if any(entry.record.alone for entry in held):
                return []
            for lane in lanes:
                for suspect in self._book.waiting(lane, alone=True):
                    if held:
                        return []
                    if claim := self._book.take(suspect, owner):
                        return [claim]
            taken: list[Claim] = []
            for lane in lanes:
                for ready in self._book.waiting(lane, alone=False):
                    if len(taken) < limit and (claim := self._book.take(ready, owner)):
                        taken.append(claim)
            return taken

    def extend(self, claims: Sequence[Claim]) -> list[Hold]:
        with self._book.changed:
            return [self._book.extend(claim) for claim in claims]

    def complete(self, completions: Sequence[Completion]) -> list[bool]:
        with self._book.changed:
            return [
                self._book.fenced(c.claim, partial(self._book.complete, c)) for c in completions
            ]

    def fail(self, failures: Sequence[Failure]) -> list[bool]:
        with self._book.changed:
            return [self._book.fenced(f.claim, partial(self._book.fail, f)) for f in failures]

    def release(self, claims: Sequence[Claim]) -> list[bool]:
        with self._book.changed:
            return [self._book.fenced(c, partial(self._book.release, c.job_id)) for c in claims]

    def withdraw(self, claims: Sequence[Claim]) -> list[bool]:
        with self._book.changed:
            return [self._book.fenced(c, partial(self._book.withdraw, c.job_id)) for c in claims]

    def cancel(self, job_id: str) -> Record | None:
        with self._book.changed:
            entry = self._book.entries.get(job_id)
            if entry and not entry.record.state.terminal:
                was = entry.record.state
                self._book.change(job_id, cancel_requested=True)
                if was is State.QUEUED:
                    self._book.settle(job_id, State.CANCELLED)
            return entry.record if entry else None

    def sweep(self, *, limit: int = 500) -> Swept:
        with self._book.changed:
            now = self._book.now()
            order = sorted(self._book.due.items(), key=lambda item: (item[1], item[0]))
            overdue = [job_id for job_id, at in order if at <= now][:limit]
            lanes: set[str] = set()
            for job_id in overdue:
                record = self._book.entries[job_id].record
                if record.state is State.RUNNING:
                    back = self._book.crashed(job_id)
                elif self._book.past_deadline(record):
                    self._book.settle(job_id, State.EXPIRED)
                    back = False
                else:
                    back = True
                if back:
                    self._book.make_ready(job_id)
                    lanes.add(record.lane)
            rings = {lane: self._book.hints_wanted(lane) for lane in lanes}
            return Swept(len(overdue), {lane: n for lane, n in rings.items() if n})

    def read(self, job_id: str) -> Record | None:
        with self._book.changed:
            entry = self._book.entries.get(job_id)
            return entry.record if entry and not self._book.forgotten(entry.record) else None

    def position(self, record: Record) -> int | None:
        with self._book.changed:
            waiting = [e.record.job_id for e in self._book.waiting(record.lane, alone=record.alone)]
            return waiting.index(record.job_id) + 1 if record.job_id in waiting else None

    def counts(self) -> Counts:
        with self._book.changed:
            return Counts(self._book.accepted, len(self._book.due), dict(self._book.terminal))

    def horizon(self) -> str:
        with self._book.changed:
            return str(len(self._book.events))

    def events(self, *, after: str, wait_ms: int) -> list[Event]:
        with self._book.changed:
            start = int(after)
            self._book.changed.wait_for(lambda: len(self._book.events) > start, wait_ms / 1000)
            return self._book.events[start:]

    def unfiled(self, *, limit: int = 100) -> list[Record]:
        with self._book.changed:
            return self._book.letters(self._book.unfiled, limit)

    def filed(self, job_ids: Sequence[str]) -> None:
        with self._book.changed:
            for job_id in job_ids:
                self._book.unfiled.pop(job_id, None)

    def dead(self, *, limit: int = 1000) -> list[Record]:
        with self._book.changed:
            return self._book.letters(self._book.dead, limit)

    def bury(self, job_ids: Sequence[str]) -> int:
        with self._book.changed:
            return sum(self._book.dead.pop(job_id, None) is not None for job_id in job_ids)

    def restore(self, restoration: Restoration) -> bool:
        with self._book.changed:
            return restore(self._book, restoration)

    def marker(self) -> Marker:
        """The server is this process: a ledger in memory does not outlive it."""
        with self._book.changed:
            epoch = self._book.epoch
            return Marker(epoch, epoch and "memory", "memory")

    def lead(self, owner: str, *, lease_ms: int, again: bool = False) -> bool:
        with self._book.changed:
            known, now = self._book.lead, self._book.now()
            mine = known is not None and known[0] == owner
            if not mine and (again or (known is not None and now < known[1])):
                return False
            self._book.lead = (owner, now + lease_ms)
            return True

    def mark(self, epoch: str, *, owner: str) -> bool:
        with self._book.changed:
            if self._book.lead is None or self._book.lead[0] != owner:
                return False
            self._book.epoch, self._book.lead = epoch, None
            return True

    def check(self) -> None:
        """Nothing can be away."""
