"""Reading and cancelling jobs of the in-memory ledger."""

from itertools import count

from seewhy.ledger.memory.state.finish import cancel_job
from seewhy.ledger.memory.state.queues import next_tenant, quarantined, tenant_queue
from seewhy.ledger.memory.state.state import StateOwner
from seewhy.ledger.types import JobEvent, JobRecord
from seewhy.schemas.job import JobState


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

    def queue_position(self, record: JobRecord) -> int | None:
        """Count the jobs of the lane that run before a queued one, plus one."""
        if record.state is not JobState.QUEUED:
            return None
        with self._state.changed:
            return self._simulate_turns(record.job_id)

    def events(self, *, after: str, wait_ms: int) -> list[JobEvent]:
        """Read the events after a position, waiting up to `wait_ms` for the first."""
        with self._state.changed:
            start = int(after)
            self._state.changed.wait_for(lambda: len(self._state.events) > start, wait_ms / 1000)
            return self._state.events[start:]

    def _simulate_turns(self, job_id: str) -> int | None:
        """Give the tenants their turns on a copy until the job is next."""
        state = self._state
        entry = state.entries[state.entries[job_id].duplicate_of or job_id]
        lane = entry.record.lane
        if entry.record.quarantined and entry.ready:
            return quarantined(state, lane).index(entry) + 1
        virtual_time = dict(state.virtual_time.get(lane, {}))
        queues = {tenant: tenant_queue(state, lane, tenant) for tenant in virtual_time}
        for position in count(1):
            waiting = {t: time for t, time in virtual_time.items() if queues[t]}
            if not waiting or not entry.ready:
                return None
            tenant = next_tenant(waiting)
            virtual_time[tenant] += 1
            if queues[tenant].pop(0) is entry:
                return position
        return None
