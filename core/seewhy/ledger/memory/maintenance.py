"""Background and operator work on the in-memory ledger."""

from collections.abc import Sequence

from seewhy.ledger.memory.state.admission import open_jobs
from seewhy.ledger.memory.state.finish import cancel_or_expire, check_duplicate, finish
from seewhy.ledger.memory.state.queues import make_ready, requeue, wakeups_needed
from seewhy.ledger.memory.state.state import StateOwner
from seewhy.ledger.types import JobCounts, JobRecord, SweepResult
from seewhy.ledger.types.policy import WORKER_LOST, WORKER_LOST_DETAIL
from seewhy.schemas.job import JobState


class MemoryMaintenance(StateOwner):
    """Implements `MaintenanceLedger`, `ArchiveLedger` and `DeadLetterLedger` of the ports."""

    def sweep(self, *, limit: int = 500) -> SweepResult:
        """Check up to `limit` overdue jobs."""
        state = self._state
        with state.changed:
            now = state.now()
            order = sorted(state.due.items(), key=lambda item: (item[1], item[0]))
            overdue = [job_id for job_id, at in order if at <= now][:limit]
            ready = [job_id for job_id in overdue if self._check_overdue(job_id)]
            lanes = {state.entries[job_id].record.lane for job_id in ready}
            wakeups = {lane: wakeups_needed(state, lane) for lane in lanes}
            return SweepResult(len(overdue), {lane: n for lane, n in wakeups.items() if n})

    def counts(self) -> JobCounts:
        """Read all counters in one step."""
        with self._state.changed:
            lanes = {entry.record.lane for entry in self._state.entries.values()}
            jobs = {lane: open_jobs(self._state, lane) for lane in lanes}
            return JobCounts(
                accepted=self._state.accepted,
                non_terminal=len(self._state.due),
                terminal=dict(self._state.terminal),
                open={lane: count for lane, count in jobs.items() if count},
            )

    def check(self) -> None:
        """Return at once: memory always accepts writes."""

    def list_unarchived(self, *, limit: int = 100) -> list[JobRecord]:
        """List the oldest outcomes that the object store does not have yet."""
        with self._state.changed:
            return self._state.list_records(self._state.unarchived, limit)

    def mark_archived(self, job_ids: Sequence[str]) -> None:
        """Remove outcomes that are now archived from the list."""
        with self._state.changed:
            for job_id in job_ids:
                self._state.unarchived.pop(job_id, None)

    def list_dead_letters(self, *, limit: int = 1000) -> list[JobRecord]:
        """List the oldest failed jobs that were not dismissed."""
        with self._state.changed:
            return self._state.list_records(self._state.dead_letters, limit)

    def dismiss(self, job_ids: Sequence[str]) -> int:
        """Remove jobs from the dead letters; return how many were removed."""
        with self._state.changed:
            letters = self._state.dead_letters
            return sum(letters.pop(job_id, None) is not None for job_id in job_ids)

    def _check_overdue(self, job_id: str) -> bool:
        """Check an overdue job; return True when it was made ready."""
        entry = self._state.entries[job_id]
        if entry.record.state.terminal:  # finished earlier in this pass
            return False
        if entry.record.state is JobState.RUNNING:
            return self._lease_expired(job_id)
        if self._state.past_deadline(entry.record):
            finish(self._state, job_id, JobState.EXPIRED)
            return False
        if entry.duplicate_of:
            return check_duplicate(self._state, job_id)
        make_ready(self._state, job_id)
        return True

    def _lease_expired(self, job_id: str) -> bool:
        """Quarantine, fail or finish a job whose worker was lost; return True when it is ready."""
        state = self._state
        record = state.entries[job_id].record
        state.update(job_id, crashes=record.crashes + 1)
        if cancel_or_expire(state, job_id):
            return False
        if record.attempts >= state.policy.max_attempts:
            error = {"error_code": WORKER_LOST, "error_detail": WORKER_LOST_DETAIL}
            finish(state, job_id, JobState.FAILED, **error)
            return False
        requeue(state, job_id)
        state.update(job_id, quarantined=True)
        make_ready(state, job_id)
        return True
