"""Queue limits (I7): how many jobs are open, what device time they take, how fast they finish."""

import math
from collections import Counter

from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.types import PASS_COST, LimitScope, QueueLimit, model_of
from seewhy.ledger.types.workers import ASSUMED_PASS_US
from seewhy.schemas.job import JobState

MINUTE_MS, MIN_RETRY_MS, MAX_RETRY_MS = 60_000, 1_000, 60_000
RECORD_PARTS, MAX_RECORD_RETRY_MS = 24, 3_600_000


def open_jobs(state: LedgerState, lane: str, tenant: str | None = None) -> int:
    """Count the open jobs of a lane, or of one tenant in it."""
    records = [entry.record for entry in state.entries.values()]
    mine = (r for r in records if r.lane == lane and tenant in {None, r.context.tenant})
    return sum(not record.state.terminal for record in mine)


def reached_limit(state: LedgerState, lane: str, tenant: str) -> QueueLimit | None:
    """Return the limit that refuses another job, if any."""
    return (
        _queue_limit(state, LimitScope.TENANT, lane, tenant)
        or _backlog_limit(state, LimitScope.TENANT, lane, tenant)
        or _record_limit(state, tenant)
        or _queue_limit(state, LimitScope.LANE, lane)
        or _backlog_limit(state, LimitScope.LANE, lane)
    )


def _queue_limit(
    state: LedgerState, scope: LimitScope, lane: str, tenant: str | None = None
) -> QueueLimit | None:
    limit = state.policy.lane_limit if tenant is None else state.policy.tenant_limit
    count = open_jobs(state, lane, tenant)
    if count < limit:
        return None
    excess = cost_of_jobs(state, lane, tenant, count - limit * 9 // 10)
    return QueueLimit(scope, retry_after_ms(state, lane, tenant, excess))


def _backlog_limit(
    state: LedgerState, scope: LimitScope, lane: str, tenant: str | None = None
) -> QueueLimit | None:
    """Limit the device time that the ready jobs of a lane take, or those of one tenant in it."""
    policy = state.policy
    limit_ms = policy.lane_backlog_ms if tenant is None else policy.tenant_backlog_ms
    limit = limit_ms * 1000 * PASS_COST // pass_us_of(state, lane)
    waiting = sum(_waiting_costs(state, lane, tenant))
    if waiting < limit:
        return None
    return QueueLimit(scope, retry_after_ms(state, lane, tenant, waiting - limit * 9 // 10))


def pass_us_of(state: LedgerState, lane: str) -> int:
    """Return the device time of a forward pass of a lane's model."""
    return state.pass_us.get(model_of(lane), ASSUMED_PASS_US)


def cost_of_jobs(state: LedgerState, lane: str, tenant: str | None, jobs: int) -> int:
    """Return what so many jobs cost on average, of those that wait."""
    costs = _waiting_costs(state, lane, tenant)
    return sum(costs) * jobs // len(costs) if costs else jobs * PASS_COST


def _waiting_costs(state: LedgerState, lane: str, tenant: str | None) -> list[int]:
    ready = (entry.record for entry in state.entries.values() if entry.ready)
    mine = (r for r in ready if r.lane == lane and tenant in {None, r.context.tenant})
    return [record.cost for record in mine if not record.quarantined]


def _record_limit(state: LedgerState, tenant: str) -> QueueLimit | None:
    """Limit the records of jobs that were not computed; see `admission.lua` for the rounding."""
    expiries = []
    for record in (entry.record for entry in state.entries.values()):
        uncomputed = record.cached or record.state in {JobState.CANCELLED, JobState.EXPIRED}
        if record.finished_ms is None or record.context.tenant != tenant or not uncomputed:
            continue
        retention_ms = state.retention_ms(record)
        width = math.ceil(retention_ms / RECORD_PARTS)
        expires = math.ceil((record.finished_ms + retention_ms) / width) * width
        if expires > state.now():
            expiries.append(expires)
    if len(expiries) < state.policy.record_limit:
        return None
    return QueueLimit(LimitScope.RECORDS, min(min(expiries) - state.now(), MAX_RECORD_RETRY_MS))


def retry_after_ms(state: LedgerState, lane: str, tenant: str | None, excess: int) -> int:
    """Estimate from the last minute's throughput when jobs of the cost `excess` will have finished.

    Counts the jobs of one tenant of the lane, or of all.
    """
    minutes: Counter[int] = Counter()
    for job in state.finished:
        if job.lane == lane and tenant in {None, job.tenant}:
            minutes[job.at_ms // MINUTE_MS] += job.cost
    minute, elapsed_ms = divmod(state.now(), MINUTE_MS)
    remaining = (MINUTE_MS - elapsed_ms) / MINUTE_MS
    per_minute = minutes[minute - 1] * remaining + minutes[minute]
    if per_minute == 0:
        return MAX_RETRY_MS
    return min(max(math.ceil(excess * MINUTE_MS / per_minute), MIN_RETRY_MS), MAX_RETRY_MS)
