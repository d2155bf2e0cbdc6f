"""Reading and cancelling jobs of the in-memory ledger."""

from seewhy.ledger.memory.state.finish import cancel_job
from seewhy.ledger.memory.state.state import StateOwner
from seewhy.ledger.memory.state.work_ahead import work_ahead
from seewhy.ledger.types import JobEvent, JobRecord, WorkAhead


class MemoryJobs(StateOwner):
    """Implements `seewhy.ledger.ports.jobs.JobLedger`."""

    def read(self, job_id: str) -> JobRecord | None:
        """Read one job; None when it is unknown or past its retention."""
        with self._state.changed:
            entry = self._state.entries.get(job_id)
            return entry.record if entry and not self._state.has_expired(entry.record) else None

    def cancel(self, job_id: str) -> JobRecord | None:
        """Cancel a queued job or request the cancellation of a running one."""
        with self._state.changed:
            entry = self._state.entries.get(job_id)
            cancel_job(self._state, job_id)
            return entry.record if entry else None

    def work_ahead(self, job_id: str, *, more: int = 0) -> WorkAhead | None:
        """Return what must be done before a job has its outcome; None when that is unknown."""
        with self._state.changed:
            return work_ahead(self._state, job_id, more)

    def latest(self, tenant: str, *, before: str | None = None, limit: int) -> list[JobRecord]:
        """List the latest jobs of a tenant, the newest first: those older than the id `before`."""
        state = self._state
        with state.changed:
            records = (entry.record for entry in state.entries.values())
            mine = [record for record in records if record.context.tenant == tenant]
            newest = sorted(mine, key=lambda record: record.job_id, reverse=True)
            listed = [r for r in newest[: state.policy.max_latest] if not state.has_expired(r)]
            return [r for r in listed if before is None or r.job_id < before][:limit]

    def events(self, *, after: str, wait_ms: int) -> list[JobEvent]:
        """Read the events after a position, waiting up to `wait_ms` for the first."""
        with self._state.changed:
            start = int(after)
            self._state.changed.wait_for(lambda: len(self._state.events) > start, wait_ms / 1000)
            return self._state.events[start:]
