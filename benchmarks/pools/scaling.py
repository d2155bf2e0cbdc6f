"""L1: how the throughput of a full queue grows with the number of workers."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from pools.section import Plan, Section
from pools.sending import evenly, send_backlog
from pools.service import Pool, Profile, require_cores, running
from seewhy_loadtest.measures.scalability import Scalability, efficiency, fit_scalability
from seewhy_loadtest.report.blocks import Block, Charts, Table, Text
from seewhy_loadtest.report.charts import Chart, Line

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
        send_backlog(pool, evenly(jobs))
        pool.suspended(is_suspended=False)
        before, started_s, first = _reached(pool, FIRST * jobs)
        after, ended_s, last = _reached(pool, LAST * jobs)
        pool.await_end()
    cpu_s = sum(after.values()) - sum(before.values())
    return Point(workers, (last - first) / (ended_s - started_s), 1000 * cpu_s / (last - first))


def _reached(pool: Pool, ended: float) -> tuple[dict[str, float], float, int]:
    while (now := sum(pool.ledger.counts().terminal.values())) < ended:
        time.sleep(0.02)
    return pool.cpu_s(), time.perf_counter(), now


def scaling(plan: Plan) -> Section:
    """Compare the throughputs of several numbers of workers."""
    points: list[Point] = []
    for workers in plan.scaling:
        if points:
            rate = workers * plan.profile.images_per_s
            require_cores(jobs_per_s=rate, cpu_ms=points[-1].cpu_ms)
        points.append(measure(plan.profile, workers=workers, seconds=plan.seconds))
    throughputs = {point.workers: point.jobs_per_s for point in points}
    law = fit_scalability(throughputs)
    return Section(
        title="Scaling",
        blocks=_blocks(plan.profile, points, law),
        document={
            "device_per_s": plan.profile.images_per_s,
            "points": [asdict(point) for point in points],
            "efficiency": efficiency(throughputs),
            "law": law and asdict(law) | {"best_workers": _finite(law.best_workers)},
        },
    )


def _blocks(profile: Profile, points: Sequence[Point], law: Scalability | None) -> list[Block]:
    shares = efficiency({point.workers: point.jobs_per_s for point in points})
    rows = [
        [
            f"{point.workers}",
            f"{point.jobs_per_s:.2f}",
            f"{point.jobs_per_s / (point.workers * profile.images_per_s):.3f}",
            f"{shares[point.workers]:.3f}",
            f"{point.cpu_ms:.1f}",
        ]
        for point in points
    ]
    columns = ["workers", "jobs/s", "X / X_raw", "efficiency", "CPU, ms a job"]
    blocks: list[Block] = [
        Text(
            f"A full queue. X_raw is what the devices explain: {profile.images_per_s:.1f} images/s "
            "each. Efficiency is the throughput by the workers' number and by that of the fewest."
        ),
        Table(columns, rows),
    ]
    if law is not None:
        best = law.best_workers
        most = f"is greatest with {best:.0f} workers" if math.isfinite(best) else "has no maximum"
        blocks.append(
            Text(
                f"Universal Scalability Law: contention σ = {law.contention:.4f}, coherency κ = "
                f"{law.coherency:.6f}; the throughput {most}."
            )
        )
    return [*blocks, Charts([_chart(points, law)])]


def _chart(points: Sequence[Point], law: Scalability | None) -> Chart:
    alone = points[0].jobs_per_s / points[0].workers
    counts = [point.workers for point in points]
    lines = [
        Line("measured", counts, [point.jobs_per_s for point in points], marked=True),
        Line("linear", [0, counts[-1]], [0, counts[-1] * alone], dashed=True),
    ]
    if law is not None:
        xs = np.linspace(0, counts[-1], 50).tolist()
        lines.append(Line("law", xs, [alone * law.speedup(x) for x in xs]))
    return Chart("Throughput by workers", "workers", "jobs/s", lines)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
