"""L1: how the throughput of a full queue grows with the number of workers."""

import time
from dataclasses import dataclass

from pools.service import Pool, Profile, require_cores, running
from pools.submissions import Sender

FIRST, LAST = 0.15, 0.85
"""The measured part of the jobs: the first ones fill the pipelines, the last ones drain them."""


@dataclass(frozen=True)
class Point:
    """The throughput of a number of workers."""

    workers: int
    jobs_per_s: float
    cpu_ms: float
    """Processor time of all processes for each job."""


def measure(profile: Profile, *, workers: int, seconds: float) -> Point:
    """Queue jobs for about `seconds`, then let the workers run them."""
    jobs = round(workers * profile.images_per_s * seconds)
    with running(profile) as pool:
        pool.start_workers(workers)
        pool.suspended(is_suspended=True)
        Sender(pool).send_all(jobs)
        pool.suspended(is_suspended=False)
        before, started_s, first = _reached(pool, FIRST * jobs)
        after, ended_s, last = _reached(pool, LAST * jobs)
        pool.await_end()
        assert pool.open_jobs() == 0
    cpu_s = sum(after.values()) - sum(before.values())
    return Point(workers, (last - first) / (ended_s - started_s), 1000 * cpu_s / (last - first))


def _reached(pool: Pool, ended: float) -> tuple[dict[str, float], float, int]:
    while (now := sum(pool.ledger.counts().terminal.values())) < ended:
        time.sleep(0.02)
    return pool.cpu_s(), time.perf_counter(), now


def scaling(profile: Profile, *, counts: list[int], seconds: float) -> None:
    """Print the throughput and the efficiency of each number of workers."""
    points: list[Point] = []
    for workers in counts:
        if points:
            rate = workers * profile.images_per_s
            require_cores(jobs_per_s=rate, cpu_ms=points[-1].cpu_ms)
        points.append(measure(profile, workers=workers, seconds=seconds))
        point, alone = points[-1], points[0]
        efficiency = point.jobs_per_s * alone.workers / (workers * alone.jobs_per_s)
        of_device = point.jobs_per_s / (workers * profile.images_per_s)
        print(
            f"N = {workers}: {point.jobs_per_s:.2f} jobs/s, efficiency {efficiency:.3f}, "
            f"{of_device:.3f} of the devices, {point.cpu_ms:.1f} ms of processor time a job",
            flush=True,
        )
