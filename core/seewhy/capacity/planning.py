"""Plans: the fewest workers that serve a rate within a latency, and what else it needs."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from seewhy.capacity import formulas
from seewhy.capacity.arrivals import Arrivals, renewal_times
from seewhy.capacity.outcome import SimulationOutcome
from seewhy.capacity.profiles import DeviceProfile, HostProfile, PoolProfile
from seewhy.capacity.resources import (
    Prices,
    Resources,
    Traffic,
    cost_per_million,
    resources_for,
)
from seewhy.capacity.simulation import simulate

FETCH_CPU_S = 0.0031
PUBLISH_CPU_S = 0.0038
"""Processor time of a worker for a job with a photo of 640 x 427 pixels and an overlay."""
WAKEUP_S = 0.005
MAX_WORKERS = 100_000
JOBS = 30_000
"""Simulated jobs of a run; more where they arrive within a few latencies."""
_WARM_UP = 0.2
"""The part of a run that counts for nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surge:
    """More load at once: `rate` in place of the usual one, and when new workers are ready."""

    rate: float
    cold_start_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A load, what a device takes for it, and the latency that 95 in 100 jobs must stay below.

    `variation` is the coefficient of variation of the gaps between arrivals: 1 for independent
    clients. `store_s` is how long a request to the object store takes. A worker is one process:
    `worker_cores` is how many cores it can use besides its device, `threads` how many batches it
    has in progress.
    """

    rate: float
    p95_s: float
    device: DeviceProfile
    utilization: float = 0.7
    variation: float = 1.0
    store_s: float = 0.02
    worker_cores: int = 2
    threads: int = 3
    surge: Surge | None = None
    traffic: Traffic = field(default_factory=Traffic)
    prices: Prices = field(default_factory=Prices)
    seed: int = 1

    @property
    def host(self) -> HostProfile:
        """Return what a job takes besides the device, with measured processor times."""
        return HostProfile(
            fetch_cpu_s=FETCH_CPU_S,
            publish_cpu_s=PUBLISH_CPU_S,
            submit_s=2 * self.store_s,
            wakeup_s=WAKEUP_S,
            fetch_s=self.store_s,
            publish_s=3 * self.store_s,
            worker_cores=self.worker_cores,
        )

    @property
    def worker_rate(self) -> float:
        """Return the images per second of one worker."""
        return min(self.worker_limits.values())

    @property
    def worker_limits(self) -> dict[str, float]:
        """Return the images per second that each part of a worker can handle, in full batches."""
        images, host = self.device.max_batch, self.host
        cpu_s = host.worker_cpu_s * images / min(images, self.worker_cores)
        batch_s = host.fetch_s + host.publish_s + cpu_s + self.device.batch_s(images)
        return {
            "device": self.device.images_per_s,
            "processor": self.worker_cores / host.worker_cpu_s,
            "threads": self.threads * images / batch_s,
        }

    @property
    def least_latency_s(self) -> float:
        """Return the latency of a job that meets an idle pool."""
        host = self.host
        latencies_s = host.submit_s + host.wakeup_s + host.fetch_s + host.publish_s
        return self.device.batch_s(1) + host.worker_cpu_s + latencies_s


@dataclass(frozen=True, kw_only=True, slots=True)
class SurgePlan:
    """What a surge does to the planned workers, by the formulas."""

    backlog: float
    """Jobs that wait when new workers are ready."""
    workers_after: int
    drain_s: float
    """How long the backlog lasts from then on."""
    workers_without_scaling: int
    """Workers that keep the latency although no others come in time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Workers and what else a rate needs. Latencies are simulated."""

    workers: int
    by_utilization: int
    """Workers that the utilization alone asks for; more are there for the latency."""
    worker_rate: float
    utilization: float
    p50_s: float
    p95_s: float
    p99_s: float
    mean_batch: float
    open_jobs: float
    resources: Resources
    cost_per_million: dict[str, float]
    surge: SurgePlan | None


def plan(requirement: Requirement) -> Plan:
    """Return the fewest workers that meet the requirement.

    Raises `ValueError` when no number of workers meets the latency.
    """
    if requirement.least_latency_s > requirement.p95_s:
        raise ValueError(
            f"a p95 of {requirement.p95_s:g} s cannot be met: a job takes "
            f"{requirement.least_latency_s:.3g} s when nothing else runs. Allow more, or use a "
            "faster device"
        )
    least = formulas.workers_needed(
        requirement.rate, requirement.worker_rate, utilization=requirement.utilization
    )
    if least > MAX_WORKERS:
        raise ValueError(
            f"this needs {least:,} workers; plans end at {MAX_WORKERS:,}. Check the rate and the "
            "time of the device"
        )
    workers, outcome = _fewest(requirement, least)
    late_s = _WARM_UP * float(outcome.arrived_s[-1])
    p50_s, p95_s, p99_s = (outcome.latency_s(rank, after_s=late_s) for rank in (50, 95, 99))
    mean_s = float(outcome.latencies_s.mean())
    return Plan(
        workers=workers,
        by_utilization=least,
        worker_rate=requirement.worker_rate,
        utilization=requirement.rate / (workers * requirement.worker_rate),
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        mean_batch=outcome.mean_batch,
        open_jobs=formulas.jobs_in_system(requirement.rate, mean_s),
        resources=resources_for(requirement.rate, requirement.traffic),
        cost_per_million=cost_per_million(
            requirement.rate,
            workers=workers,
            traffic=requirement.traffic,
            prices=requirement.prices,
        ),
        surge=_surge_plan(requirement, surge, workers) if (surge := requirement.surge) else None,
    )


def try_variants(requirement: Requirement) -> dict[str, Plan | str]:
    """Plan again with one input changed at a time; a plan that fails is the reason, as a text."""
    plans: dict[str, Plan | str] = {}
    for name, changed in _variants(requirement):
        try:
            plans[name] = plan(changed)
        except ValueError as error:
            plans[name] = str(error)
    return plans


def _variants(requirement: Requirement) -> Iterator[tuple[str, Requirement]]:
    device = requirement.device
    for name, factor in (("device time +20%", 1.2), ("device time -20%", 0.8)):
        changed = replace(
            device, image_s=device.image_s * factor, overhead_s=device.overhead_s * factor
        )
        yield name, replace(requirement, device=changed)
    yield "burstiness x2", replace(requirement, variation=2 * requirement.variation)
    if surge := requirement.surge:
        slower = replace(surge, cold_start_s=2 * surge.cold_start_s)
        yield "cold start x2", replace(requirement, surge=slower)


def _fewest(requirement: Requirement, least: int) -> tuple[int, SimulationOutcome]:
    """Return the fewest workers, at least `least`, whose simulated p95 is low enough."""
    too_few, enough = least - 1, least
    outcome = simulate_workers(requirement, enough)
    while not is_fast(requirement, outcome):
        too_few, enough = enough, min(2 * enough, MAX_WORKERS)
        if too_few == enough:
            raise ValueError(
                f"a p95 of {requirement.p95_s:g} s is not met even with {enough:,} workers. Allow "
                "more time, or use a faster device"
            )
        outcome = simulate_workers(requirement, enough)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        tried = simulate_workers(requirement, middle)
        if is_fast(requirement, tried):
            enough, outcome = middle, tried
        else:
            too_few = middle
    return enough, outcome


def simulate_workers(requirement: Requirement, workers: int) -> SimulationOutcome:
    """Simulate the requirement's load on this many workers; the same seed, the same load."""
    duration_s = max(JOBS / requirement.rate, 20 * requirement.least_latency_s)
    rng = np.random.default_rng(requirement.seed)
    times_s = renewal_times(requirement.rate, duration_s, rng, variation=requirement.variation)
    pool = PoolProfile(
        device=requirement.device,
        host=requirement.host,
        workers=workers,
        threads=requirement.threads,
    )
    return simulate(pool, Arrivals(times_s=times_s), seed=requirement.seed)


def is_fast(requirement: Requirement, outcome: SimulationOutcome) -> bool:
    """Whether the p95 is low enough, once the pool has warmed up."""
    late_s = _WARM_UP * float(outcome.arrived_s[-1])
    return outcome.latency_s(95, after_s=late_s) <= requirement.p95_s


def _surge_plan(requirement: Requirement, surge: Surge, workers: int) -> SurgePlan:
    rate = requirement.worker_rate
    after = max(
        workers, formulas.workers_needed(surge.rate, rate, utilization=requirement.utilization)
    )
    backlog = formulas.surge_backlog(surge.rate, surge.cold_start_s, capacity=workers * rate)
    return SurgePlan(
        backlog=backlog,
        workers_after=after,
        drain_s=formulas.drain_s(backlog, rate=surge.rate, capacity=after * rate),
        workers_without_scaling=formulas.workers_without_scaling(
            surge.rate, surge.cold_start_s, worker_rate=rate, max_wait_s=requirement.p95_s
        ),
    )
