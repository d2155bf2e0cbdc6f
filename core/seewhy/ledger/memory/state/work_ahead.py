"""The work that must be done before a job of the in-memory ledger has its outcome."""

from collections import Counter
from dataclasses import replace

from seewhy.ledger.memory.state.queues import quarantined, tenant_queue
from seewhy.ledger.memory.state.state import Entry, LedgerState
from seewhy.ledger.types import WorkAhead, is_long, lanes_beside, more_urgent_lanes
from seewhy.schemas.job import JobState


def work_ahead(state: LedgerState, job_id: str, more: int) -> WorkAhead | None:
    """Return what must be done first; None when the job neither waits in a queue nor runs."""
    entry = state.entries.get(job_id)
    if entry and entry.duplicate_of:
        entry = state.entries.get(entry.duplicate_of)
    if entry is None or state.has_expired(entry.record):
        return None
    lane, now = entry.record.lane, state.now()
    running = _running(state, lane)
    finished_ms = max((job.at_ms for job in state.finished if job.lane == lane), default=0)
    started_ms = min((other.claimed_ms for other in running), default=now)
    urgent_running = sum(_cost(_running(state, name)) for name in more_urgent_lanes(lane))
    known = WorkAhead(
        lane,
        None,
        entry.record.quarantined,
        entry.record.cost,
        others=sum(_cost_beside(state, name, lane) for name in lanes_beside(lane)),
        running=_cost(running) + urgent_running,
        idle_ms=now - max(started_ms, finished_ms) if running else 0,
    )
    if entry in running:
        before = sum(other.claimed_ms <= entry.claimed_ms for other in running)
        return replace(
            known,
            running=_cost(running) * before // len(running) + urgent_running,
            elapsed_ms=now - entry.claimed_ms,
        )
    if not entry.ready:
        return None
    if entry.record.quarantined:
        return replace(known, position=quarantined(state, lane).index(entry) + 1)
    return _in_queue(state, entry, more, known)


def _in_queue(state: LedgerState, entry: Entry, more: int, known: WorkAhead) -> WorkAhead:
    lane, mine = entry.record.lane, entry.record.context.tenant
    before = _turns_before(state, entry, more)
    urgent = [other for name in more_urgent_lanes(lane) for other in _ready(state, name)]
    ready = [e for e in state.entries.values() if e.ready and e.record.lane == lane]
    position = max(before[mine] + 1, min(before.total() + 1, len(ready)))
    return replace(
        known,
        position=position,
        ahead=sum(_mean_cost(state, lane, tenant, jobs) for tenant, jobs in before.items()),
        urgent=_cost(urgent),
        behind=max(0, len(ready) - position),
    )


def _mean_cost(state: LedgerState, lane: str, tenant: str, jobs: int) -> int:
    """Return what so many ready jobs of a tenant cost on average."""
    queue = tenant_queue(state, lane, tenant)
    return _cost(queue) * jobs // len(queue)


def _turns_before(state: LedgerState, entry: Entry, more: int) -> Counter[str]:
    """Count the jobs of each tenant that come first, if all jobs of a tenant cost the same."""
    lane, mine = entry.record.lane, entry.record.context.tenant
    virtual_time = state.virtual_time[lane]
    rank = tenant_queue(state, lane, mine).index(entry) + more
    turn = virtual_time[mine] + _mean_cost(state, lane, mine, rank)
    before = Counter({mine: rank})
    for tenant, lowest in virtual_time.items():
        queue, lag = tenant_queue(state, lane, tenant), turn - lowest
        if tenant != mine and queue and lag >= 0:
            turns, rest = divmod(lag * len(queue), _cost(queue))
            # Those with equal virtual time go in the order of their names.
            before[tenant] = min(len(queue), turns + (rest > 0 or tenant < mine))
    return before


def _cost_beside(state: LedgerState, other: str, lane: str) -> int:
    """Return what the jobs of another lane cost that share the device with those of a lane."""
    ready = _ready(state, other) if is_long(lane) else []
    return _cost(ready) + _cost(_running(state, other))


def _ready(state: LedgerState, lane: str) -> list[Entry]:
    waiting = (e for e in state.entries.values() if e.ready and e.record.lane == lane)
    return [entry for entry in waiting if not entry.record.quarantined]


def _running(state: LedgerState, lane: str) -> list[Entry]:
    entries = state.entries.values()
    return [e for e in entries if e.record.lane == lane and e.record.state is JobState.RUNNING]


def _cost(entries: list[Entry]) -> int:
    return sum(entry.record.cost for entry in entries)
