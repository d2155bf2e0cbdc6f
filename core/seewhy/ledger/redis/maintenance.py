"""Background and operator work on the Redis ledger."""

from collections.abc import Sequence

from seewhy.ledger.redis.client.connection import translated
from seewhy.ledger.redis.client.encoding import pairs
from seewhy.ledger.redis.client.keys import DEAD_LETTERS, UNARCHIVED, WRITE_CHECK
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.redis.monitoring import job_counts
from seewhy.ledger.redis.record_lists import list_records
from seewhy.ledger.types import SWEEP_LIMIT, JobCounts, JobRecord, SweepResult


class RedisMaintenance:
    """Implements `MaintenanceLedger`, `ArchiveLedger` and `DeadLetterLedger` of the ports."""

    scripts: Scripts

    def sweep(self, *, limit: int = SWEEP_LIMIT) -> SweepResult:
        """Check up to `limit` overdue jobs, and whether each lane has enough wakeups."""
        examined, more, *flat = self.scripts.call("maintenance/sweep", limit=limit)
        wakeups = {lane: times for lane, times in pairs(flat).items() if times}
        return SweepResult(examined, wakeups, more=bool(more))

    def counts(self) -> JobCounts:
        """Read all counters in one step."""
        non_terminal, lanes, flat = self.scripts.call("maintenance/counts")
        counters = {name: int(n) for name, n in pairs(flat).items()}
        return job_counts(
            counters, non_terminal, {lane: int(n) for lane, n in pairs(lanes).items()}
        )

    def check(self) -> None:
        """Return when Redis accepts writes."""
        with translated():
            self.scripts.client.set(WRITE_CHECK, "1", px=1000)

    def list_unarchived(self, *, limit: int = 100) -> list[JobRecord]:
        """List the oldest outcomes that the object store does not have yet."""
        return list_records(self.scripts, UNARCHIVED, limit=limit)

    def mark_archived(self, job_ids: Sequence[str]) -> None:
        """Remove outcomes that are now archived from the list."""
        self.scripts.call("maintenance/remove", list=UNARCHIVED, ids=list(job_ids))

    def list_dead_letters(self, *, limit: int = 1000, tenant: str | None = None) -> list[JobRecord]:
        """List the oldest failed jobs that were not dismissed."""
        return list_records(self.scripts, DEAD_LETTERS, limit=limit, tenant=tenant)

    def is_dead_letter(self, job_id: str) -> bool:
        """Whether a job has failed and was not dismissed."""
        with translated():
            return self.scripts.client.zscore(DEAD_LETTERS, job_id) is not None

    def dismiss(self, job_ids: Sequence[str]) -> int:
        """Remove jobs from the dead letters; return how many were removed."""
        ids = list(job_ids)
        return int(self.scripts.call("maintenance/remove", list=DEAD_LETTERS, ids=ids))
