"""Recovery time after a fault, computed from the ledger's events."""

from collections.abc import Sequence

from seewhy.ledger.types import JobEvent
from seewhy.schemas.job import JobState


def recovery_s(events: Sequence[JobEvent], fault_times_ms: Sequence[int]) -> float:
    """Return the longest recovery from any of the faults, in seconds; 0 without faults.

    Recovery lasts until each job that was running at the fault runs again or ends, and until any
    job ends. Time in the queue does not count, nor does a fault after which nothing happened.
    """
    return max((_recovery_from(events, moment_ms) for moment_ms in fault_times_ms), default=0.0)


def _recovery_from(events: Sequence[JobEvent], fault_ms: int) -> float:
    running: set[str] = set()
    waits_ms = [0]
    any_ended = False
    for event in events:
        at_ms = int(event.position.partition("-")[0])
        if at_ms <= fault_ms:
            (running.add if event.state is JobState.RUNNING else running.discard)(event.job_id)
            continue
        if event.job_id in running and event.state is not JobState.QUEUED:
            running.discard(event.job_id)
            waits_ms.append(at_ms - fault_ms)
        if event.state.terminal and not any_ended:
            any_ended = True
            waits_ms.append(at_ms - fault_ms)
    return max(waits_ms) / 1000
