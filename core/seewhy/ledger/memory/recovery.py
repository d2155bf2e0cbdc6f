"""Restoring jobs of the in-memory ledger after a loss."""

from dataclasses import asdict, replace
from typing import Any

from seewhy.ledger.memory.state.finish import finish
from seewhy.ledger.memory.state.queues import make_ready
from seewhy.ledger.memory.state.state import Entry, StateOwner
from seewhy.ledger.types import EpochMarker, JobOutcome, JobRecord, JobRestoration
from seewhy.schemas.job import JobState

SEQUENCE_OFFSET = 10**13
"""Subtracted from a restored job's time, so that it precedes all jobs accepted since the loss."""


class MemoryRecovery(StateOwner):
    """Implements `seewhy.ledger.ports.recovery.RecoveryLedger`."""

    def restore(self, restoration: JobRestoration) -> bool:
        """Add a lost job, ahead of all jobs accepted since the loss."""
        state, submission, outcome = self._state, restoration.submission, restoration.outcome
        job_id = submission.job_id
        with state.changed:
            now = state.now()
            submitted_ms = min(restoration.submitted_ms, now)
            record = JobRecord.accepted(submission, submitted_ms=submitted_ms)
            record = replace(record, **{"fence": now, **(_values(outcome) if outcome else {})})
            if job_id in state.entries or state.has_expired(record):
                return False
            state.accepted += 1
            sequence = submitted_ms - SEQUENCE_OFFSET
            state.entries[job_id] = Entry(record, sequence, fingerprint=submission.fingerprint)
            if submission.key:
                state.restore_key(submission.key, submission.context, job_id, submitted_ms)
            if outcome:
                self._restore_outcome(record)
            else:
                make_ready(state, job_id)
                state.due[job_id] = now
            state.publish_event(job_id, record.state)
            return True

    def restore_outcome(self, job_id: str, outcome: JobOutcome) -> bool:
        """Finish an open job with the outcome that the store has of it."""
        state = self._state
        with state.changed:
            entry = state.entries.get(job_id)
            if entry is None or entry.record.state.terminal:
                return False
            if outcome.finished_ms + state.policy.retention_ms <= state.now():
                return False
            state.shareable = state.policy.max_shared
            values = _values(outcome)
            del values["state"]
            finish(state, job_id, outcome.state, **values)
            return True

    def epoch_marker(self) -> EpochMarker:
        """Read the epoch. The server is this process, so it never restarts."""
        with self._state.changed:
            epoch = self._state.epoch
            return EpochMarker(epoch, epoch and "memory", "memory")

    def acquire_leadership(self, owner: str, *, lease_ms: int) -> bool:
        """Become the one process that recovers the ledger; False when another is."""
        with self._state.changed:
            held, now = self._state.leadership, self._state.now()
            if held and held[0] != owner and now < held[1]:
                return False
            self._state.leadership = (owner, now + lease_ms)
            return True

    def renew_leadership(self, owner: str, *, lease_ms: int) -> bool:
        """Extend the leadership; False when it was lost."""
        with self._state.changed:
            if self._state.leadership is None or self._state.leadership[0] != owner:
                return False
            self._state.leadership = (owner, self._state.now() + lease_ms)
            return True

    def set_epoch(self, epoch: str, *, owner: str) -> bool:
        """Write the epoch marker and give up the leadership; False when it was lost."""
        with self._state.changed:
            if self._state.leadership is None or self._state.leadership[0] != owner:
                return False
            self._state.epoch, self._state.leadership = epoch, None
            self._state.marked_ms = self._state.now()
            return True

    def _restore_outcome(self, record: JobRecord) -> None:
        state, finished_ms = self._state, record.finished_ms or 0
        state.terminal[record.state] += 1
        if record.state is JobState.FAILED:
            state.dead_letters[record.job_id] = finished_ms
        if state.now() < finished_ms + state.policy.webhook_retention_ms:
            state.add_delivery(record.job_id)


def _values(outcome: JobOutcome) -> dict[str, Any]:
    """Return what an outcome says: None and False leave a field of the record as it is."""
    values = asdict(outcome)
    return {name: each for name, each in values.items() if each is not None and each is not False}
