"""Reading and cancelling jobs of the Redis ledger."""

from seewhy.ledger.redis.client.connection import translated
from seewhy.ledger.redis.client.encoding import decode_record, decode_records, read_record
from seewhy.ledger.redis.client.keys import EVENTS, job_key
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.redis.record_lists import PAGE
from seewhy.ledger.types import JobEvent, JobRecord, WorkAhead
from seewhy.schemas.job import JobState

MAX_EVENTS_READ = 1000


class RedisJobs:
    """Implements `seewhy.ledger.ports.jobs.JobLedger`."""

    scripts: Scripts

    def read(self, job_id: str) -> JobRecord | None:
        """Read one job; None when it is unknown or past its retention."""
        with translated():
            return read_record(job_id, self.scripts.client.hgetall(job_key(job_id)))

    def cancel(self, job_id: str) -> JobRecord | None:
        """Cancel a queued job or request the cancellation of a running one."""
        return decode_record(job_id, self.scripts.call("jobs/cancel", job_id=job_id))

    def work_ahead(self, job_id: str, *, more: int = 0) -> WorkAhead | None:
        """Return what must be done before a job has its outcome; None when that is unknown."""
        answer = self.scripts.call("jobs/work_ahead", job_id=job_id, more=more)
        if not answer:
            return None
        lane, position, quarantined, *amounts = answer
        return WorkAhead(lane, position or None, bool(quarantined), *amounts)

    def latest(self, tenant: str, *, before: str | None = None, limit: int) -> list[JobRecord]:
        """List the latest jobs of a tenant, the newest first: those older than the id `before`."""
        records: list[JobRecord] = []
        while len(records) < limit:
            page = min(PAGE, limit - len(records))
            before, *rows = self.scripts.call(
                "jobs/latest", tenant=tenant, before=before, limit=page
            )
            records += decode_records(rows)
            if not before:
                break
        return records

    def events(self, *, after: str, wait_ms: int) -> list[JobEvent]:
        """Read the events after a position, waiting up to `wait_ms` for the first."""
        with translated():
            answer = self.scripts.client.xread(
                {EVENTS: after}, count=MAX_EVENTS_READ, block=wait_ms
            )
        streams = answer.items() if isinstance(answer, dict) else answer
        return [
            JobEvent(position, values["id"], JobState(values["state"]))
            for _, entries in streams
            for position, values in (entries[0] if isinstance(entries[0], list) else entries)
        ]
