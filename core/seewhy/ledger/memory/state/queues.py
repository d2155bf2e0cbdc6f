"""The queues of ready jobs, and fair queueing among tenants."""

import math
from collections.abc import Callable, Iterator

from seewhy.ledger.memory.state.state import Entry, LedgerState
from seewhy.ledger.types import JobRecord, sibling_lane, wakeup_queue
from seewhy.schemas.job import JobState


def schedule_recheck(state: LedgerState, job_id: str, *, in_ms: int) -> None:
    """Set when the sweep checks a waiting job next: in `in_ms`, or at its deadline."""
    at, deadline_ms = state.now() + in_ms, state.entries[job_id].record.deadline_ms
    state.due[job_id] = at if deadline_ms is None else min(at, deadline_ms)


def enter_rotation(state: LedgerState, lane: str, tenant: str) -> None:
    """Let a tenant take turns in a lane, from the virtual clock on if it is new there."""
    virtual_time = state.virtual_time.setdefault(lane, {})
    lowest = min(virtual_time.values(), default=0)
    virtual_time.setdefault(tenant, state.virtual_clock.get(lane, lowest))


def charge_turn(state: LedgerState, record: JobRecord, cost: int) -> None:
    """Add to the virtual time of a job's tenant where it takes turns: long jobs and others."""
    for lane in (record.lane, sibling_lane(record.lane)):
        virtual_time = state.virtual_time.get(lane, {})
        if record.context.tenant in virtual_time:
            virtual_time[record.context.tenant] += cost


def correct_charge(state: LedgerState, record: JobRecord, cost: int) -> None:
    """Charge what a job took beyond its cost, or less; a tenant that left returns with its debt."""
    if cost > record.cost:
        enter_rotation(state, record.lane, record.context.tenant)
    charge_turn(state, record, cost - record.cost)


def make_ready(state: LedgerState, job_id: str) -> None:
    """Put a queued job where it can be claimed."""
    entry = state.entries[job_id]
    if not entry.record.quarantined:
        enter_rotation(state, entry.record.lane, entry.record.context.tenant)
    entry.ready = True
    schedule_recheck(state, job_id, in_ms=state.policy.recheck_ready_ms)


def requeue(state: LedgerState, job_id: str) -> None:
    """Make a running job queued again; the caller decides when it becomes ready."""
    state.update(job_id, state=JobState.QUEUED, owner=None, exposed=False)
    state.publish_event(job_id, JobState.QUEUED)


def quarantined(state: LedgerState, lane: str) -> list[Entry]:
    """List the ready jobs of a lane that must run alone: fewer crashes first, then in order."""
    ready = _ready(state, lambda r: r.lane == lane and r.quarantined)
    return sorted(ready, key=lambda entry: entry.record.crashes)


def tenant_queue(state: LedgerState, lane: str, tenant: str) -> list[Entry]:
    """List a tenant's other ready jobs of a lane, in their order."""
    return _ready(
        state, lambda r: r.lane == lane and r.context.tenant == tenant and not r.quarantined
    )


def tenants_with_jobs(state: LedgerState, lane: str) -> int:
    """Count the tenants that have ready jobs in a lane; at least one."""
    ready = _ready(state, lambda r: r.lane == lane and not r.quarantined)
    return max(1, len({entry.record.context.tenant for entry in ready}))


def turns(state: LedgerState, lane: str) -> Iterator[Entry | None]:
    """Give the tenants their turns, and yield the next ready job of each.

    The caller charges for the job that it takes. A tenant without a ready job leaves the rotation;
    its turn yields None.
    """
    virtual_time = state.virtual_time.setdefault(lane, {})
    while virtual_time:
        tenant = next_tenant(virtual_time)
        state.virtual_clock[lane] = virtual_time[tenant]
        queue = tenant_queue(state, lane, tenant)
        if not queue:
            del virtual_time[tenant]
        yield queue[0] if queue else None


def next_tenant(virtual_time: dict[str, int]) -> str:
    """Return the tenant with the lowest virtual time; equals go in the order of their names."""
    return min(virtual_time, key=lambda name: (virtual_time[name], name))


def wakeups_needed(state: LedgerState, lane: str) -> int:
    """Count the wakeups that the ready jobs of a lane need, less the unread ones."""
    ready = len(_ready(state, lambda r: r.lane == lane))
    wanted = min(math.ceil(ready / state.policy.jobs_per_wakeup), state.policy.max_wakeups)
    return max(0, wanted - state.unread_wakeups(wakeup_queue(lane)))


def _ready(state: LedgerState, wanted: Callable[[JobRecord], bool]) -> list[Entry]:
    entries = [entry for entry in state.entries.values() if entry.ready and wanted(entry.record)]
    return sorted(entries, key=lambda entry: (entry.sequence, entry.record.job_id))
