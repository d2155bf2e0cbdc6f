"""L7: the same load with and without a fault: nothing is lost, and what the fault costs.

Workers die by SIGKILL, Redis is killed and starts with its append-only file, and every connection
to the object store is reset for some seconds. `kills` injects many more, without the latencies.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pools.section import Plan, Section, unaccounted
from pools.sending import poisson, send
from pools.service import Pool, running
from seewhy_loadtest.generation.schedules import Step
from seewhy_loadtest.measures.percentiles import percentile
from seewhy_loadtest.measures.summary import StageSummary, job_times, summarize
from seewhy_loadtest.report.blocks import Table, Text
from seewhy_loadtest.report.content import stage_blocks
from seewhy_loadtest.stages.record import StageRecord
from servers.process_cluster import kill_tree

LOAD = 0.7
WORKERS = 2
SLOWER = 2.0
"""The devices are slower than elsewhere: the object store needs more of the processor, too."""
MOMENT = 1 / 3
"""When the fault begins, as a share of the time of sending."""
STORE_FAULT_S = 3.0


@dataclass(frozen=True)
class Fault:
    """Something that happens while jobs arrive."""

    name: str
    inject: Callable[[Pool], None]


def kill_worker(pool: Pool) -> None:
    """Kill a worker and start another, as a container platform does."""
    kill_tree(pool.alive()[0])
    pool.launch_worker()


def restart_redis(pool: Pool) -> None:
    """Kill Redis and start it with its data."""
    pool.server.kill()
    pool.server.start()


def reset_store(pool: Pool) -> None:
    """Reset all connections to the object store for a while."""
    assert pool.store_proxy is not None
    pool.store_proxy.reset()
    time.sleep(STORE_FAULT_S)
    pool.store_proxy.heal()


FAULTS = (
    Fault("none", lambda _: None),
    Fault("a worker is killed", kill_worker),
    Fault("Redis is killed and restarted", restart_redis),
    Fault(f"the object store resets connections for {STORE_FAULT_S:.0f} s", reset_store),
)


def faults(plan: Plan) -> Section:
    """Send the same schedule once for each fault."""
    times = (SLOWER * plan.profile.batch_ms, SLOWER * plan.profile.image_ms)
    profile = replace(plan.profile, batch_ms=times[0], image_ms=times[1])
    rate = LOAD * WORKERS * profile.images_per_s
    schedule = poisson(Step(rate, plan.seconds), seed=plan.seed)
    stages, problems = [], []
    # Processes exit with the thread that started them, so one thread injects all faults.
    with running(profile, on_s3=True) as pool, ThreadPoolExecutor(1) as injector:
        pool.start_workers(WORKERS)
        lease_s = pool.cluster.settings.lease_s
        for fault in FAULTS:
            injected = injector.submit(_inject, fault, pool, MOMENT * plan.seconds)
            record = send(pool.url, schedule)
            injected.result()
            stages.append((record, summarize(record)))
            problems += unaccounted(stages[-1][1], f"Fault, {fault.name}")
    rows, calm_s = [], _p99_s(stages[0][0])
    for fault, (record, summary) in zip(FAULTS, stages, strict=True):
        rows.append([fault.name, *_cells(summary, _p99_s(record), calm_s)])
    columns = ["fault", "accepted", "succeeded", "failed", "lost", "twice", "not accepted"]
    return Section(
        title="Faults under load",
        blocks=[
            Text(
                f"{rate:.1f} jobs/s, {LOAD:.0%} of {WORKERS} devices, over an S3 store; a lease "
                f"lasts {lease_s:g} s and a batch "
                f"{profile.max_batch / profile.images_per_s:.1f} s. p99 of the jobs that succeeded."
            ),
            Table([*columns, "p99, s", "more than without, s"], rows),
            *stage_blocks(stages, level=3),
        ],
        document={"faults": [fault.name for fault in FAULTS], "lease_s": lease_s},
        problems=problems,
        stages=stages,
    )


def _inject(fault: Fault, pool: Pool, after_s: float) -> None:
    time.sleep(after_s)
    fault.inject(pool)


def _cells(summary: StageSummary, p99_s: float, calm_s: float) -> list[str]:
    counts = summary.accounts
    refused = sum(counts.refused.values()) + counts.unsent + counts.unanswered
    numbers = (counts.accepted, counts.succeeded, sum(counts.failed.values()), counts.lost)
    return [
        *(f"{number}" for number in (*numbers, counts.twice, refused)),
        f"{p99_s:.2f}",
        f"{p99_s - calm_s:+.2f}",
    ]


def _p99_s(record: StageRecord) -> float:
    done = [each for each in job_times(record)[0] if each.succeeded]
    found = percentile(sorted(each.finished_s - each.submission.intended_s for each in done), 0.99)
    return found.value if found else 0.0
