"""Reading and cancelling jobs of the Redis ledger."""

from seewhy.ledger.redis.client.connection import translated
from seewhy.ledger.redis.client.encoding import decode_record, read_record
from seewhy.ledger.redis.client.keys import EVENTS, job_key
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.types import JobEvent, JobRecord
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

    def queue_position(self, record: JobRecord) -> int | None:
        """Count or estimate the jobs of the lane that run before a queued one, plus one."""
        if record.state is not JobState.QUEUED:
            return None
        return self.scripts.call("jobs/queue_position", job_id=record.job_id) or None

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
