"""Reading what an operator watches of the in-memory ledger."""

from bisect import bisect_left
from collections import Counter

from seewhy.ledger.memory.state.admission import pass_us_of
from seewhy.ledger.memory.state.state import Entry, LedgerState, StateOwner
from seewhy.ledger.types import (
    DURATION_BUCKETS_MS,
    DeliveryBacklog,
    Durations,
    JobCounts,
    LaneStatus,
    LedgerStatus,
    wakeup_queue,
)
from seewhy.schemas.job import JobState


class MemoryMonitoring(StateOwner):
    """Implements `seewhy.ledger.ports.monitoring.MonitoredLedger`."""

    def status(self) -> LedgerStatus:
        """Read everything in one step."""
        state = self._state
        with state.changed:
            now = state.now()
            records = [entry.record for entry in state.entries.values()]
            names = {record.lane for record in records if not record.state.terminal}
            lanes = {name: lane_status(state, name) for name in names}
            waiting = state.origins_due()
            return LedgerStatus(
                counts=JobCounts(
                    accepted=state.accepted,
                    non_terminal=len(state.due),
                    terminal=dict(state.terminal),
                    open={name: lane.open for name, lane in lanes.items()},
                ),
                leases_expired=state.leases_expired,
                overdue=sum(at <= now for at in state.due.values()),
                dead_letters=len(state.dead_letters),
                unarchived=len(state.unarchived),
                accepting_batches=len(state.batches_due),
                deliveries=DeliveryBacklog(
                    len(waiting),
                    max([0, *(now - at for at in waiting.values())]),
                    len(state.undelivered),
                ),
                durations={name: _durations(each) for name, each in state.durations_ms.items()},
                lanes=lanes,
            )


def lane_status(state: LedgerState, lane: str) -> LaneStatus:
    """Return the jobs of a lane."""
    entries = [entry for entry in state.entries.values() if entry.record.lane == lane]
    ready = [entry for entry in entries if entry.ready]
    running = [entry for entry in entries if entry.record.state is JobState.RUNNING]
    return LaneStatus(
        open=sum(not entry.record.state.terminal for entry in entries),
        ready=len(ready),
        running=len(running),
        ready_cost=_cost([entry for entry in ready if not entry.record.quarantined]),
        running_cost=_cost(running),
        oldest_ready_ms=_age_ms(state, [entry.record.submitted_ms for entry in _first(ready)]),
        longest_running_ms=_age_ms(state, [entry.claimed_ms for entry in running]),
        unread_wakeups=state.unread_wakeups(wakeup_queue(lane)),
        pass_us=pass_us_of(state, lane),
    )


def _first(ready: list[Entry]) -> list[Entry]:
    """Return all jobs in quarantine, and the first of each tenant's queue."""
    queues = {
        entry.record.context.tenant: entry
        for entry in sorted(ready, key=_place, reverse=True)
        if not entry.record.quarantined
    }
    return [*queues.values(), *(entry for entry in ready if entry.record.quarantined)]


def _place(entry: Entry) -> tuple[int, str]:
    return entry.sequence, entry.record.job_id


def _cost(entries: list[Entry]) -> int:
    return sum(entry.record.cost for entry in entries)


def _age_ms(state: LedgerState, times_ms: list[int]) -> int:
    return state.now() - min(times_ms, default=state.now())


def _durations(durations_ms: list[int]) -> Durations:
    counts = Counter(bisect_left(DURATION_BUCKETS_MS, duration) for duration in durations_ms)
    return Durations(
        tuple(counts[n] for n in range(len(DURATION_BUCKETS_MS) + 1)), sum(durations_ms)
    )
