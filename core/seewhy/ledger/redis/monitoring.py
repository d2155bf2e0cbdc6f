"""Reading what an operator watches of the Redis ledger."""

from seewhy.ledger.redis.client.connection import translated
from seewhy.ledger.redis.client.encoding import pairs
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.types import (
    DURATION_BUCKETS_MS,
    DeliveryBacklog,
    Durations,
    JobCounts,
    LaneStatus,
    LedgerStatus,
    ServerStatus,
)
from seewhy.schemas.job import JobState, Priority


class RedisMonitoring:
    """Implements `MonitoredLedger` and `MonitoredServer` of the ports."""

    scripts: Scripts

    def status(self) -> LedgerStatus:
        """Read everything in one step, in a time that does not grow with the number of jobs."""
        flat, durations, totals, *rows = self.scripts.call("maintenance/status")
        non_terminal, overdue, dead_letters, unarchived, accepting_batches, *backlog = totals
        counters = {name: int(n) for name, n in pairs(flat).items()}
        took = {name: int(n) for name, n in pairs(durations).items()}
        lanes = {lane: LaneStatus(*values) for lane, *values in rows}
        return LedgerStatus(
            counts=job_counts(counters, non_terminal, {n: lane.open for n, lane in lanes.items()}),
            leases_expired=counters.get("leases_expired", 0),
            overdue=overdue,
            dead_letters=dead_letters,
            unarchived=unarchived,
            accepting_batches=accepting_batches,
            deliveries=DeliveryBacklog(*backlog),
            durations={priority: _durations(took, priority) for priority in Priority},
            lanes=lanes,
        )

    def server_status(self) -> ServerStatus:
        """Read the server's own figures."""
        with translated():
            info = self.scripts.client.info()
        persistence = (
            "aof_last_write_status",
            "aof_last_bgrewrite_status",
            "rdb_last_bgsave_status",
        )
        return ServerStatus(
            used_memory_bytes=info["used_memory"],
            max_memory_bytes=info["maxmemory"],
            evicted_keys=info["evicted_keys"],
            clients=info["connected_clients"],
            is_persistent=all(info.get(name, "ok") == "ok" for name in persistence),
        )


def job_counts(counters: dict[str, int], non_terminal: int, open_jobs: dict[str, int]) -> JobCounts:
    """Combine the counters of the ledger with the sizes of its queues."""
    return JobCounts(
        accepted=counters.get("accepted", 0),
        non_terminal=non_terminal,
        terminal={s: counters[s] for s in JobState if s.terminal and s in counters},
        open={lane: count for lane, count in open_jobs.items() if count},
    )


def _durations(fields: dict[str, int], priority: Priority) -> Durations:
    buckets = range(1, len(DURATION_BUCKETS_MS) + 2)
    return Durations(
        tuple(fields.get(f"{priority}:{bucket}", 0) for bucket in buckets),
        fields.get(f"{priority}:sum_ms", 0),
    )
