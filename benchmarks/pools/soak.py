"""L6: processes and Redis after many jobs at a steady rate: what grows with each job."""

import csv
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, fields
from inspect import get_annotations
from pathlib import Path
from typing import TextIO

import numpy as np
import psutil
import redis

from pools.section import Plan, Section, unaccounted
from pools.sending import poisson, send
from pools.service import SERVED_CPU_MS, Pool, require_cores, running
from seewhy.ledger.types.lanes import KEY_PREFIX
from seewhy_loadtest.generation.schedules import Step
from seewhy_loadtest.measures.growth import Growth, fit_growth
from seewhy_loadtest.measures.summary import StageSummary, summarize
from seewhy_loadtest.report.blocks import Charts, Table, Text
from seewhy_loadtest.report.charts import Chart, Line
from seewhy_loadtest.report.content import stage_blocks
from seewhy_loadtest.stages.record import StageRecord

LOAD = 0.7
"""The share of what the devices can do."""
RETENTION_S = 1_800
INTERVAL_S = 10.0
WARM_UP_S = RETENTION_S + 300
"""The time before the fit: from then on as many records expire as are added."""
WARM_UP_SHARE = 0.3
"""That of a shorter soak."""
MAX_BYTES_PER_JOB = 50.0
"""The upper end of the confidence interval of what a process may keep of a job."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The resources of all processes at one moment."""

    at_s: float
    ended: int
    """Jobs with an outcome so far."""
    keys: int
    """Keys of Redis; each job with a record has at least one."""
    api_bytes: int
    """Resident memory."""
    api_descriptors: int
    worker_bytes: int
    worker_descriptors: int
    redis_bytes: int
    """The memory that Redis counts for its data."""
    unacknowledged: int
    """Wakeups that Celery has delivered to workers and that are not acknowledged."""


MEASURES = {
    "api_bytes": "API, bytes",
    "worker_bytes": "workers, bytes",
    "redis_bytes": "Redis, bytes",
    "keys": "Redis, keys",
    "api_descriptors": "API, descriptors",
    "worker_descriptors": "workers, descriptors",
    "unacknowledged": "wakeups without acknowledgment",
}
"""Field of a sample → its name in the report."""
BOUNDED = ("api_bytes", "worker_bytes")


def soak(plan: Plan) -> Section:
    """Send jobs for a long time, or read the samples of an earlier soak."""
    stages: list[tuple[StageRecord, StageSummary]] = []
    if plan.soak_csv is None:
        csv_path = plan.out / "soak-samples.csv"
        record = run(plan, csv_path)
        stages.append((record, summarize(record)))
    else:
        csv_path = plan.soak_csv
    samples = read(csv_path)
    last_s = samples[-1].at_s
    first_s = WARM_UP_S if last_s > 2 * WARM_UP_S else WARM_UP_SHARE * last_s
    settled = [sample for sample in samples if sample.at_s >= first_s]
    grown = {measure: _growth(settled, measure) for measure in MEASURES}
    problems = [problem for _, each in stages for problem in unaccounted(each, "Soak")]
    problems += [
        f"Soak: {MEASURES[each]} may grow by {found.high:.1f} a job"
        for each in BOUNDED
        if (found := grown[each]) and found.high > MAX_BYTES_PER_JOB
    ]
    fitted = settled[-1].ended - settled[0].ended
    return Section(
        title="A long run",
        blocks=[
            Text(
                f"{samples[-1].ended:,} jobs in {samples[-1].at_s / 60:.0f} minutes. Growth with "
                f"each of the last {fitted:,}: Theil and Sen's slope, with its 95 % "
                "confidence interval, which takes the samples as independent."
            ),
            Table(
                ["measure", "at the end", "growth a job", "from", "to"],
                [_row(name, settled[-1], measure, grown) for measure, name in MEASURES.items()],
            ),
            Charts(_charts(samples)),
            *(stage_blocks(stages, level=3) if stages else []),
        ],
        document={
            "samples": str(csv_path),
            "growth_per_job": {name: found and asdict(found) for name, found in grown.items()},
            "fitted_jobs": fitted,
        },
        problems=problems,
        stages=stages,
    )


def run(plan: Plan, csv_path: Path) -> StageRecord:
    """Run jobs at `LOAD` and write the samples."""
    rate = LOAD * plan.capacity_per_s
    require_cores(jobs_per_s=rate, cpu_ms=SERVED_CPU_MS)
    csv_path.parent.mkdir(parents=True, exist_ok=True)
    with running(plan.profile, retention_s=RETENTION_S) as pool:
        pool.start_workers(plan.workers)
        interval_s = min(INTERVAL_S, plan.soak_s / 30)
        with csv_path.open("w") as stream, _sampled(pool, stream, interval_s):
            return send(pool.url, poisson(Step(rate, plan.soak_s), seed=plan.seed))


def read(csv_path: Path) -> list[Sample]:
    """Read the samples of an earlier or a running soak."""
    kinds = get_annotations(Sample)
    with csv_path.open() as stream:
        return [
            Sample(**{name: kinds[name](value) for name, value in row.items()})
            for row in csv.DictReader(stream)
        ]


def _growth(samples: Sequence[Sample], measure: str) -> Growth | None:
    ended = np.array([sample.ended for sample in samples], float)
    return fit_growth(ended, np.array([getattr(sample, measure) for sample in samples], float))


def _row(name: str, last: Sample, measure: str, grown: dict[str, Growth | None]) -> list[str]:
    found = grown[measure]
    cells = [f"{value:+.3f}" for value in (found.slope, found.low, found.high)] if found else []
    return [name, f"{getattr(last, measure):,}", *(cells or ["-"] * 3)]


def _charts(samples: Sequence[Sample]) -> list[Chart]:
    jobs = [sample.ended for sample in samples]
    kinds = {
        ("Memory by jobs", "MB", 1e6): ("api_bytes", "worker_bytes", "redis_bytes"),
        ("Descriptors by jobs", "open", 1): ("api_descriptors", "worker_descriptors"),
        ("Keys of Redis by jobs", "keys", 1): ("keys",),
    }
    return [
        Chart(
            title,
            "jobs that have ended",
            label,
            [
                Line(
                    MEASURES[each].split(",")[0],
                    jobs,
                    [getattr(sample, each) / unit for sample in samples],
                )
                for each in measures
            ],
        )
        for (title, label, unit), measures in kinds.items()
    ]


@contextmanager
def _sampled(pool: Pool, stream: TextIO, interval_s: float) -> Iterator[None]:
    writer = csv.writer(stream)
    writer.writerow(each.name for each in fields(Sample))
    stopped = threading.Event()
    started_s = time.monotonic()

    def run_sampler() -> None:
        while not stopped.wait(interval_s):
            writer.writerow(astuple(_sample(pool, time.monotonic() - started_s)))
            stream.flush()

    thread = threading.Thread(target=run_sampler, name="sampler")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _sample(pool: Pool, at_s: float) -> Sample:
    api, worker = _usage([pool.api.pid]), _usage([each.pid for each in pool.alive()])
    with redis.Redis.from_url(pool.cluster.settings.redis_url) as ledger:
        return Sample(
            at_s=at_s,
            ended=sum(pool.ledger.counts().terminal.values()),
            keys=ledger.dbsize(),
            api_bytes=api[0],
            api_descriptors=api[1],
            worker_bytes=worker[0],
            worker_descriptors=worker[1],
            redis_bytes=ledger.info("memory")["used_memory"],
            unacknowledged=ledger.hlen(f"{KEY_PREFIX}unacked"),
        )


def _usage(pids: Sequence[int]) -> tuple[int, int]:
    """Return the resident memory in bytes and the file descriptors of processes and children."""
    processes = [psutil.Process(pid) for pid in pids]
    every = [each for one in processes for each in (one, *one.children(recursive=True))]
    return sum(each.memory_info().rss for each in every), sum(each.num_fds() for each in every)
