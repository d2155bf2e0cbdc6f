"""When a job will have ended: the work before it, divided by the speed of the workers.

The jobs of a lane leave in the order in which they were claimed, at the pace of the workers that
serve it. So a job leaves when the work of the running jobs, of the ready ones before it and its own
is done, counted from the last job that left. Long jobs and others take turns on the device, half of
the time each, as long as there are both.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from seewhy.estimates.measured_times import Quantiles
from seewhy.ledger.types import (
    HANDLING,
    LOADING,
    PASS_COST,
    PLAIN_METHOD,
    DeviceTimes,
    WorkAhead,
    is_long,
    load_of,
)

DRIFT = 0.2
"""By how much the pace may change until the end: other jobs come, other work slows the machine."""
OVERDUE = 0.1
"""What a job that takes longer than expected still needs, as a part of its own time."""


@dataclass(frozen=True, slots=True)
class Eta:
    """How long until an end: at most `p50_ms` in half of all cases, at most `p90_ms` in 9 of 10."""

    p50_ms: float
    p90_ms: float


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast the live workers run a model's jobs. Times in ms."""

    pass_ms: Quantiles
    """The device time of a forward pass of one worker."""
    busy_pass_ms: float
    """The time of a forward pass when all workers are busy, with all that they do besides."""
    handling_ms: Quantiles
    """What a batch takes before and after the device."""
    workers: int

    @classmethod
    def of(cls, times: DeviceTimes, devices: Mapping[str, int], *, long: bool) -> "Speed | None":
        """Sum up the workers of each kind of device; None if none is alive or has been measured."""
        known = {name: times[name] for name in devices if times.get(name, {}).get(PLAIN_METHOD)}
        measured = sum(devices[name] for name in known)
        if not measured:
            return None
        pass_ms = {name: Quantiles.of(times[name][PLAIN_METHOD]) for name in known}
        per_ms = 0.0
        for name, of_device in known.items():
            load = Quantiles.of(of_device.get(load_of(long=long), (1.0,))).p50
            per_ms += devices[name] / max(1e-6, pass_ms[name].p50 * load)
        slowest = max(pass_ms, key=lambda name: pass_ms[name].p50)
        return cls(
            pass_ms=pass_ms[slowest],
            busy_pass_ms=measured / (per_ms * sum(devices.values())),
            handling_ms=Quantiles.of(known[slowest].get(HANDLING, (0.0,))),
            workers=sum(devices.values()),
        )


def estimate(work: WorkAhead, speed: Speed, *, max_batch: int, threads: int = 1) -> Eta | None:
    """Estimate when a job will have ended; None for a quarantined one, which waits to be alone.

    In a batch of up to `max_batch` jobs, a job ends with those behind it. The batches of the
    `threads` of a worker take turns on its device, so that a job does not wait for longer ones.
    """
    if work.quarantined:
        return None
    own = work.cost / PASS_COST
    same_batch = own * min(work.behind, (max_batch - 1) / 2)
    own_work = own + same_batch if work.position else 0  # that of a running job is among `running`
    queue = (work.running + work.urgent + work.ahead) / PASS_COST
    work_ms = (queue + own_work) * speed.busy_pass_ms
    work_ms -= _overtaken(work, speed, max_batch, threads) * speed.busy_pass_ms
    others_ms = work.others / PASS_COST * speed.busy_pass_ms
    # If no long job runs, a long job first waits until a thread has nothing else to do.
    shared_ms = work_ms + (others_ms if _waits_for_thread(work) else min(work_ms, others_ms))
    alone_ms = own * speed.pass_ms.p50
    spread = speed.pass_ms.p90 / speed.pass_ms.p50 - 1 if speed.pass_ms.p50 > 0 else 0
    jobs = max(1.0, queue / own)
    p50_ms = max(
        shared_ms - work.idle_ms,
        alone_ms - work.elapsed_ms,
        OVERDUE * alone_ms,
    )
    p90_ms = max(
        shared_ms * (1 + DRIFT + spread / math.sqrt(jobs)) - work.idle_ms,
        alone_ms * (1 + DRIFT + spread) - work.elapsed_ms,
        p50_ms * (1 + DRIFT),
    )
    return Eta(p50_ms + speed.handling_ms.p50, p90_ms + speed.handling_ms.p90)


def after_load(eta: Eta | None, times: DeviceTimes, devices: Mapping[str, int]) -> Eta | None:
    """Add the time in which a worker of these devices loads the model; None if it is unknown."""
    load_ms = [ms for name in devices for ms in times.get(name, {}).get(LOADING, ())]
    if eta is None or not load_ms:
        return None
    load = Quantiles.of(load_ms)
    return Eta(eta.p50_ms + load.p50, eta.p90_ms + load.p90)


def _overtaken(work: WorkAhead, speed: Speed, max_batch: int, threads: int) -> float:
    """Return the passes of running batches that a smaller one does not wait for.

    While a batch runs, each other thread gets as much of the device as it, and no more.
    """
    of_worker = work.running / PASS_COST / speed.workers * (threads - 1) / threads
    batch = work.cost / PASS_COST * max_batch
    return max(0.0, of_worker - (threads - 1) * batch) * speed.workers


def _waits_for_thread(work: WorkAhead) -> bool:
    return is_long(work.lane) and work.running == 0
