"""The parts of a simulated pool: workers, batches, the cores of the host, times with jitter."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np

from seewhy.capacity.profiles import DeviceProfile
from seewhy.pacing import PacedBatch, Pacing


@dataclass(slots=True, eq=False)
class Batch:
    """Jobs that one thread has claimed, with their costs added up."""

    jobs: list[int]
    cost: float
    worker: "SimulatedWorker"
    paced: PacedBatch
    device_s: float = 0.0


@dataclass(slots=True, eq=False)
class SimulatedWorker:
    """A worker process: threads without a batch, batches in progress, and when its device is free.

    A retired worker finishes its batches and claims no others. A dead one does not even that.
    """

    idle: int
    started_s: float
    cores: "Cores"
    device_free_s: float = 0.0
    batches: dict[Batch, None] = field(default_factory=dict)
    """In the order of their claims."""
    pacing: Pacing = field(default_factory=Pacing)
    waiting: int = 0
    """How many threads wait until it is time to claim."""
    alarm_s: float = math.inf
    """When they look again."""
    runs_alone: bool = False
    """Whether its only batch is a job that was running when another worker died."""
    retired: bool = False
    dead: bool = False


class IdleThreads:
    """Which worker reads the next wakeup: Redis serves the one that has waited longest."""

    def __init__(self) -> None:
        """Start without workers."""
        self._workers: deque[SimulatedWorker] = deque()

    def add(self, worker: SimulatedWorker, threads: int = 1) -> None:
        """Let threads of a worker wait for wakeups."""
        if worker.idle == 0 and not worker.retired:
            self._workers.append(worker)
        worker.idle += threads

    def take(self) -> SimulatedWorker | None:
        """Take a thread of the worker that has waited longest; None when all are busy."""
        while self._workers:
            worker = self._workers.popleft()
            if worker.retired:
                continue
            worker.idle -= 1
            if worker.idle:
                self._workers.append(worker)
            return worker
        return None


class Cores:
    """Processor cores that serve one request after another, each by the core that is free first."""

    def __init__(self, count: int | None) -> None:
        """Provide `count` cores, or without a number one for each request."""
        self._free_s = [0.0] * (count or 0)

    def finish_s(self, now_s: float, cpu_s: float, *, jobs: int = 1) -> float:
        """Return when jobs that are begun now and take `cpu_s` each have been done, in parallel."""
        free_s = self._free_s
        if not free_s or not cpu_s:
            return now_s + cpu_s
        parts = min(jobs, len(free_s))
        part_s = cpu_s * jobs / parts
        end_s = now_s
        for _ in range(parts):
            first = min(free_s)
            end_s = max(first, now_s) + part_s
            free_s[free_s.index(first)] = end_s
        return end_s


def jitter_factors(device: DeviceProfile, rng: np.random.Generator) -> Iterator[float]:
    """Yield factors of a batch's time for ever; a long random sequence repeats."""
    if len(device.jitter) == 1:
        return cycle(device.jitter)
    return cycle(rng.choice(np.array(device.jitter), 1 << 17).tolist())
