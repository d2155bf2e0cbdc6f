"""The ready jobs of a pool: lanes by priority, and tenants of a lane in turns."""

from collections import deque
from heapq import heappop, heappush, heapreplace


class FairQueue:
    """Start-time fair queueing (Goyal, Vin and Cheng, 1996): the least charged tenant goes first.

    A turn is charged with the cost of its job. A tenant that returns starts where the others are.
    """

    def __init__(self) -> None:
        """Create an empty queue."""
        self._jobs: dict[int, deque[tuple[int, float]]] = {}
        self._rotation: list[tuple[float, int, int]] = []
        self._charged: dict[int, float] = {}
        self._entered = 0
        self._virtual_time = 0.0

    def push(self, tenant: int, job: int, cost: float) -> None:
        """Add a job at the end of its tenant's queue."""
        jobs = self._jobs.get(tenant)
        if jobs is None:
            jobs = self._jobs[tenant] = deque()
        if not jobs:
            charged = max(self._virtual_time, self._charged.get(tenant, 0.0))
            self._charged[tenant] = charged
            self._entered += 1
            heappush(self._rotation, (charged, self._entered, tenant))
        jobs.append((job, cost))

    def pop(self) -> tuple[int, float] | None:
        """Remove and return the next job and its cost; None when there is none."""
        if not self._rotation:
            return None
        self._virtual_time, _, tenant = self._rotation[0]
        jobs = self._jobs[tenant]
        job = jobs.popleft()
        charged = self._charged[tenant] = self._virtual_time + job[1]
        if jobs:
            self._entered += 1
            heapreplace(self._rotation, (charged, self._entered, tenant))
        else:
            heappop(self._rotation)
        return job
