"""How long a service takes to come back, read from the ledger's events."""

from collections.abc import Sequence

from seewhy.ledger.types import JobEvent
from seewhy.schemas.job import JobState


def recovery_s(events: Sequence[JobEvent], struck_ms: Sequence[int]) -> float:
    """The longest time from a blow until its jobs ran again and some job ended, in seconds.

    Its jobs are those that were running when it fell: each has to start anew or to end. What
    waited in a lane meanwhile is not counted, nor is a blow after which nothing was left to do.
    """
    return max((_after(events, moment) for moment in struck_ms), default=0.0)


def _after(events: Sequence[JobEvent], moment_ms: int) -> float:
    running: set[str] = set()
    waits = [0]
    ended = False
    for event in events:
        at_ms = int(event.position.partition("-")[0])
        if at_ms <= moment_ms:
            (running.add if event.state is JobState.RUNNING else running.discard)(event.job_id)
            continue
        if event.job_id in running and event.state is not JobState.QUEUED:
            running.discard(event.job_id)
            waits.append(at_ms - moment_ms)
        if event.state.terminal and not ended:
            ended = True
            waits.append(at_ms - moment_ms)
    return max(waits) / 1000
