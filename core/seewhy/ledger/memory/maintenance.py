"""Background and operator work on the in-memory ledger."""

from collections.abc import Sequence

from seewhy.ledger.memory.state.admission import open_jobs
from seewhy.ledger.memory.state.finish import cancel_or_expire, check_duplicate, finish
from seewhy.ledger.memory.state.queues import (
    make_ready,
    requeue,
    schedule_recheck,
    wakeups_needed,
)
from seewhy.ledger.memory.state.state import LedgerState, StateOwner
from seewhy.ledger.types import SWEEP_LIMIT, JobCounts, JobRecord, SweepResult
from seewhy.ledger.types.policy import CRASH_LIMIT_DETAIL, WORKER_LOST, WORKER_LOST_DETAIL
from seewhy.schemas.job import JobState


class MemoryMaintenance(StateOwner):
    """Implements `MaintenanceLedger`, `ArchiveLedger` and `DeadLetterLedger` of the ports."""

    def sweep(self, *, limit: int = SWEEP_LIMIT) -> SweepResult:
        """Check up to `limit` overdue jobs, and whether each lane has enough wakeups."""
        state = self._state
        with state.changed:
            now = state.now()
            state.shareable = state.policy.max_shared
            order = sorted(state.due.items(), key=lambda item: (item[1], item[0]))
            overdue = [job_id for job_id, at in order if at <= now][:limit]
            for job_id in overdue:
                self._check_overdue(job_id)
            lanes = {entry.record.lane for entry in state.entries.values() if entry.ready}
            wakeups = {lane: wakeups_needed(state, lane) for lane in lanes}
            return SweepResult(
                len(overdue),
                {lane: n for lane, n in wakeups.items() if n},
                more=any(at <= now for at in state.due.values()),
            )

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

    def list_dead_letters(self, *, limit: int = 1000, tenant: str | None = None) -> list[JobRecord]:
        """List the oldest failed jobs that were not dismissed."""
        with self._state.changed:
            letters = self._state.dead_letters
            records = self._state.list_records(letters, len(letters))
            own = [record for record in records if tenant in {None, record.context.tenant}]
            return own[:limit]

    def is_dead_letter(self, job_id: str) -> bool:
        """Whether a job has failed and was not dismissed."""
        with self._state.changed:
            return job_id in self._state.dead_letters

    def dismiss(self, job_ids: Sequence[str]) -> int:
        """Remove jobs from the dead letters; return how many were removed."""
        with self._state.changed:
            letters = self._state.dead_letters
            return sum(letters.pop(job_id, None) is not None for job_id in job_ids)

    def _check_overdue(self, job_id: str) -> None:
        entry = self._state.entries[job_id]
        if entry.record.state.terminal:  # finished earlier in this pass
            return
        if entry.record.state is JobState.RUNNING:
            self._lease_expired(job_id)
        elif self._state.past_deadline(entry.record):
            finish(self._state, job_id, JobState.EXPIRED)
        elif entry.duplicate_of:
            check_duplicate(self._state, job_id)
        else:
            make_ready(self._state, job_id)

    def _lease_expired(self, job_id: str) -> None:
        """Quarantine, fail or finish a job whose worker was lost."""
        state = self._state
        state.leases_expired += 1
        was_exposed = state.entries[job_id].record.exposed
        failure = _count_crash(state, job_id)
        if cancel_or_expire(state, job_id):
            return
        if failure:
            error = {"error_code": WORKER_LOST, "error_detail": failure}
            finish(state, job_id, JobState.FAILED, **error)
            return
        requeue(state, job_id)
        record = state.update(job_id, quarantined=True)
        if pause_ms := _pause_ms(state, record.crashes, was_exposed=was_exposed):
            schedule_recheck(state, job_id, in_ms=pause_ms)
        else:
            make_ready(state, job_id)


def _count_crash(state: LedgerState, job_id: str) -> str | None:
    """Count a crash, and as evidence if the job was exposed; return why the job fails, or None."""
    entry, policy = state.entries[job_id], state.policy
    crashes = entry.record.crashes + 1
    evidence = entry.record.exposed_crashes + entry.record.exposed
    if entry.record.exposed:
        entry.crash_fence = entry.record.fence
    state.update(job_id, crashes=crashes, exposed_crashes=evidence)
    if entry.record.exposed and evidence >= policy.max_exposed_crashes:
        return WORKER_LOST_DETAIL
    return CRASH_LIMIT_DETAIL if crashes >= policy.max_crashes else None


def _pause_ms(state: LedgerState, crashes: int, *, was_exposed: bool) -> int:
    """Return the pause after a crash; it is longest after an exposed one."""
    policy = state.policy
    if was_exposed:
        return policy.max_crash_pause_ms
    if crashes == 1:
        return 0
    return min(policy.recheck_ms << (crashes - 2), policy.max_crash_pause_ms)
