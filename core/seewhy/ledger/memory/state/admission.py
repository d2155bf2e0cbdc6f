"""Queue limits (I7): how many jobs of a lane are open, and how fast they finish."""

import math
from collections import Counter

from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.types import LimitScope, QueueLimit

MINUTE_MS, MIN_RETRY_MS, MAX_RETRY_MS = 60_000, 1_000, 60_000


def open_jobs(state: LedgerState, lane: str, tenant: str | None = None) -> int:
    """Count the open jobs of a lane, or of one tenant in it."""
    records = [entry.record for entry in state.entries.values()]
    mine = (r for r in records if r.lane == lane and tenant in {None, r.context.tenant})
    return sum(not record.state.terminal for record in mine)


def reached_limit(state: LedgerState, lane: str, tenant: str) -> QueueLimit | None:
    """Return the limit that refuses another job, if any."""
    for scope, limit, of_tenant in (
        (LimitScope.TENANT, state.policy.tenant_limit, tenant),
        (LimitScope.LANE, state.policy.lane_limit, None),
    ):
        count = open_jobs(state, lane, of_tenant)
        if count >= limit:
            excess = count - limit * 9 // 10
            return QueueLimit(scope, retry_after_ms(state, lane, of_tenant, excess))
    return None


def retry_after_ms(state: LedgerState, lane: str, tenant: str | None, excess: int) -> int:
    """Estimate from the last minute's throughput when `excess` more jobs will have finished.

    Counts the jobs of one tenant of the lane, or of all.
    """
    finished = (j for j in state.finished if j.lane == lane and tenant in {None, j.tenant})
    minutes = Counter(job.at_ms // MINUTE_MS for job in finished)
    minute, elapsed_ms = divmod(state.now(), MINUTE_MS)
    remaining = (MINUTE_MS - elapsed_ms) / MINUTE_MS
    per_minute = minutes[minute - 1] * remaining + minutes[minute]
    if per_minute == 0:
        return MAX_RETRY_MS
    return min(max(math.ceil(excess * MINUTE_MS / per_minute), MIN_RETRY_MS), MAX_RETRY_MS)
