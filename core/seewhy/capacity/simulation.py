"""A discrete-event simulation of a pool of workers, from arrivals to finished jobs.

It follows `seewhy_worker.pipeline.batch_runner`: a wakeup takes an idle thread of a worker, which
claims up to `max_batch` ready jobs when the device will soon be free (`seewhy.pacing`), fetches
their images, waits for the device, explains, publishes and claims again until no job is ready.
Lanes go by priority, the tenants of a lane in turns.
"""

import math
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from seewhy.capacity.arrivals import Arrivals
from seewhy.capacity.autoscaling import Autoscaler
from seewhy.capacity.fair_queue import FairQueue
from seewhy.capacity.outcome import SimulationOutcome
from seewhy.capacity.profiles import CrashProfile, PoolProfile
from seewhy.capacity.simulated_pool import (
    Batch,
    Cores,
    IdleThreads,
    SimulatedWorker,
    jitter_factors,
)

Handler = Callable[[float, Any], None]


def simulate(pool: PoolProfile, arrivals: Arrivals, *, seed: int = 0) -> SimulationOutcome:
    """Run all arrivals through the pool until the last job has ended.

    The same seed gives the same outcome. About 5 to 10 microseconds of processor time per job.
    """
    return _Simulation(pool, arrivals, np.random.default_rng(seed)).run()


class _Simulation:
    def __init__(self, pool: PoolProfile, arrivals: Arrivals, rng: np.random.Generator) -> None:
        self._pool, self._host, self._rng = pool, pool.host, rng
        self._times: list[float] = arrivals.times_s.tolist()
        jobs = len(arrivals)
        self._tenants = [0] * jobs if arrivals.tenants is None else arrivals.tenants.tolist()
        self._lanes = [0] * jobs if arrivals.lanes is None else arrivals.lanes.tolist()
        self._costs = [1.0] * jobs if arrivals.costs is None else arrivals.costs.tolist()
        self._queues = [FairQueue() for _ in range(max(self._lanes) + 1)]
        self._alone: deque[int] = deque()
        self._claimed, self._finished = [math.nan] * jobs, [math.nan] * jobs
        self._events: list[tuple[float, int, Handler, Any]] = []
        self._sequence = count()
        self._cores = Cores(self._host.cores)
        self._jitter = jitter_factors(pool.device, rng)
        self._idle = IdleThreads()
        self._workers: dict[SimulatedWorker, None] = {}
        self._ready = self._waking = self._open = self._lingering = 0
        self._open_in_lane = [0] * len(self._queues)
        self._open_of_tenant: dict[int, int] = {}
        self._batches = self._crashes = 0
        self._device_s = self._worker_s = 0.0
        self._workers_at: list[tuple[float, int]] = []

    def run(self) -> SimulationOutcome:
        """Handle arrivals and events in the order of their times."""
        self._set_workers(0.0, self._pool.workers, start_s=0.0)
        if policy := self._pool.autoscaler:
            scaler = Autoscaler(policy)
            self._at(scaler.interval_s(len(self._workers)), self._scale, scaler)
        events, times = self._events, self._times
        index, jobs, now_s = 0, len(times), 0.0
        while index < jobs or self._open:
            if index < jobs and (not events or times[index] <= events[0][0]):
                now_s = times[index]
                self._arrive(now_s, index)
                index += 1
            else:
                now_s, _, handle, subject = heappop(events)
                handle(now_s, subject)
        self._worker_s += sum(now_s - worker.started_s for worker in self._workers)
        return SimulationOutcome(
            arrived_s=np.array(times),
            claimed_s=np.array(self._claimed),
            finished_s=np.array(self._finished),
            batches=self._batches,
            device_s=self._device_s,
            worker_s=self._worker_s,
            workers=tuple(self._workers_at),
            crashes=self._crashes,
        )

    def _at(self, time_s: float, handle: Handler, subject: Any) -> None:
        heappush(self._events, (time_s, next(self._sequence), handle, subject))

    # Jobs

    def _arrive(self, now_s: float, job: int) -> None:
        lane, tenant = self._lanes[job], self._tenants[job]
        of_tenant = self._open_of_tenant.get(tenant, 0)
        lane_limit, tenant_limit = self._pool.lane_limit, self._pool.tenant_limit
        if lane_limit is not None and self._open_in_lane[lane] >= lane_limit:
            return
        if tenant_limit is not None and of_tenant >= tenant_limit:
            return
        self._open += 1
        self._open_in_lane[lane] += 1
        self._open_of_tenant[tenant] = of_tenant + 1
        ready_s = self._cores.finish_s(now_s, self._host.submit_cpu_s) + self._host.submit_s
        if ready_s > now_s:
            self._at(ready_s, self._make_ready, job)
        else:
            self._make_ready(now_s, job)

    def _make_ready(self, now_s: float, job: int) -> None:
        self._queues[self._lanes[job]].push(self._tenants[job], job, self._costs[job])
        self._ready += 1
        self._wake(now_s)

    def _make_ready_alone(self, now_s: float, job: int) -> None:
        self._alone.append(job)
        self._ready += 1
        self._wake(now_s)

    def _wake(self, now_s: float) -> None:
        """Send a wakeup for each full batch that is ready, less those that are on their way."""
        max_batch = self._pool.device.max_batch
        while self._waking * max_batch < self._ready and (worker := self._idle.take()):
            self._waking += 1
            self._at(now_s + self._host.wakeup_s, self._woken, worker)

    def _woken(self, now_s: float, worker: SimulatedWorker) -> None:
        self._waking -= 1
        if self._pool.linger_s and self._ready < self._pool.device.max_batch:
            self._waking += 1  # it stands for a full batch until it claims
            self._at(now_s + self._pool.linger_s, self._lingered, worker)
        else:
            self._claim(now_s, worker)

    def _lingered(self, now_s: float, worker: SimulatedWorker) -> None:
        self._waking -= 1
        self._claim(now_s, worker)

    # Batches

    def _claim(self, now_s: float, worker: SimulatedWorker) -> None:
        """Let another thread of a worker claim when it is time."""
        worker.waiting += 1
        self._claim_paced(now_s, worker)

    def _claim_paced(self, now_s: float, worker: SimulatedWorker) -> None:
        """Let the waiting threads claim for which it is time."""
        while worker.waiting and (wait_s := worker.pacing.wait_s(now_s)) <= 0:
            worker.waiting -= 1
            self._claim_now(now_s, worker)
        if worker.waiting and now_s + wait_s < worker.alarm_s:
            worker.alarm_s = now_s + wait_s
            self._at(worker.alarm_s, self._alarm, worker)

    def _alarm(self, now_s: float, worker: SimulatedWorker) -> None:
        if now_s >= worker.alarm_s:
            worker.alarm_s = math.inf
            self._claim_paced(now_s, worker)

    def _claim_now(self, now_s: float, worker: SimulatedWorker) -> None:
        batch = None if worker.retired else self._take_batch(now_s, worker)
        if batch is None:
            self._idle.add(worker)
            if worker.retired and self._ready:
                self._wake(now_s)
            return
        worker.batches[batch] = None
        for job in batch.jobs:
            self._claimed[job] = now_s
        self._ready -= len(batch.jobs)
        self._batches += 1
        host = self._host
        fetched_s = worker.cores.finish_s(now_s, host.fetch_cpu_s, jobs=len(batch.jobs))
        self._at(fetched_s + host.fetch_s, self._fetched, batch)

    def _take_batch(self, now_s: float, worker: SimulatedWorker) -> Batch | None:
        if self._alone and not worker.batches:
            job = self._alone.popleft()
            worker.runs_alone = True
            return self._new_batch(now_s, [job], self._costs[job], worker)
        if worker.runs_alone:
            return None
        jobs: list[int] = []
        cost, limit = 0.0, self._pool.device.max_batch
        for queue in self._queues:
            while len(jobs) < limit and (entry := queue.pop()):
                jobs.append(entry[0])
                cost += entry[1]
        return self._new_batch(now_s, jobs, cost, worker) if jobs else None

    def _new_batch(
        self, now_s: float, jobs: list[int], cost: float, worker: SimulatedWorker
    ) -> Batch:
        return Batch(jobs, cost, worker, paced=worker.pacing.claim(now_s, cost))

    def _fetched(self, now_s: float, batch: Batch) -> None:
        if batch.worker.dead:
            return
        worker = batch.worker
        batch.device_s = self._pool.device.batch_s(batch.cost) * next(self._jitter)
        self._device_s += batch.device_s
        worker.device_free_s = max(now_s, worker.device_free_s) + batch.device_s
        self._at(worker.device_free_s, self._explained, batch)
        worker.pacing.prepare(batch.paced, now_s, batch.cost)
        self._claim_paced(now_s, worker)

    def _explained(self, now_s: float, batch: Batch) -> None:
        if batch.worker.dead:
            return
        worker, host, cores = batch.worker, self._host, batch.worker.cores
        worker.pacing.end(batch.paced, now_s, batch.device_s)
        published_s = cores.finish_s(now_s, host.publish_cpu_s, jobs=len(batch.jobs))
        self._at(published_s + host.publish_s, self._published, batch)
        self._claim_paced(now_s, worker)

    def _published(self, now_s: float, batch: Batch) -> None:
        if batch.worker.dead:
            return
        del batch.worker.batches[batch]
        self._open -= len(batch.jobs)
        for job in batch.jobs:
            self._finished[job] = now_s
            self._open_in_lane[self._lanes[job]] -= 1
            self._open_of_tenant[self._tenants[job]] -= 1
        if batch.worker.runs_alone:
            batch.worker.runs_alone = False
            self._wake(now_s)
        self._claim(now_s, batch.worker)

    # Workers

    def _set_workers(self, now_s: float, wanted: int, *, start_s: float) -> None:
        """Start workers that are ready at `start_s`, or retire those with the fewest batches."""
        for _ in range(wanted - len(self._workers)):
            cores = self._cores if self._host.cores else Cores(self._host.worker_cores)
            worker = SimulatedWorker(idle=0, started_s=now_s, cores=cores)
            self._workers[worker] = None
            self._at(start_s, self._start, worker)
        surplus = len(self._workers) - wanted
        if surplus > 0:
            for worker in sorted(self._workers, key=lambda one: len(one.batches))[:surplus]:
                worker.retired = True
                del self._workers[worker]
                self._worker_s += now_s - worker.started_s
        if not self._workers_at or self._workers_at[-1][1] != len(self._workers):
            self._workers_at.append((now_s, len(self._workers)))

    def _start(self, now_s: float, worker: SimulatedWorker) -> None:
        self._idle.add(worker, self._pool.threads)
        if (profile := self._pool.crashes) and profile.per_hour:
            mean_s = 3600 / profile.per_hour
            self._at(now_s + self._rng.exponential(mean_s), self._crash, (worker, profile))
        self._wake(now_s)

    def _scale(self, now_s: float, scaler: Autoscaler) -> None:
        wanted = scaler.decide(now_s, backlog=self._open, workers=len(self._workers))
        self._set_workers(now_s, wanted, start_s=now_s + scaler.policy.cold_start_s)
        self._at(now_s + scaler.interval_s(wanted), self._scale, scaler)

    def _crash(self, now_s: float, subject: tuple[SimulatedWorker, CrashProfile]) -> None:
        worker, profile = subject
        if worker.retired:
            return
        self._crashes += 1
        wanted = len(self._workers)
        del self._workers[worker]
        self._worker_s += now_s - worker.started_s
        worker.retired = worker.dead = True
        for job in (job for batch in worker.batches for job in batch.jobs):
            noticed_s = profile.lease_s + self._rng.random() * profile.sweep_s
            self._at(now_s + noticed_s, self._make_ready_alone, job)
        self._set_workers(now_s, wanted, start_s=now_s + profile.restart_s)
