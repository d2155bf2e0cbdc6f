"""L7: kill workers, the API and Redis again and again while jobs arrive, and account for every job.

Each round is one run of the fault tests (tests/faults) with its own servers, and its checker
compares what was accepted with the records, the events and the objects of every job.
"""

import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from redis.exceptions import ConnectionError as RedisConnectionError

from faults.checker import Anomaly
from faults.environment import Environment
from faults.fault_actions import kill_redis, kill_serving_process
from faults.run import Outcome, run
from faults.scenario import Scenario
from pools.section import Plan, Section
from seewhy.schemas.job import JobState
from seewhy_loadtest.report.blocks import Table, Text
from servers import waiting
from servers.waiting import wait_until

WORKERS = 4
KILLS = {"worker": 7, "API": 2, "Redis": 1}
"""Whom a kill hits, and how often of ten times."""
BATCH_MS = 50.0


def kills(plan: Plan, *, rounds: int, jobs: int, jobs_per_s: float, jobs_per_kill: int) -> Section:
    """Run rounds of `jobs` jobs with their own servers, and add up what was counted.

    About `jobs_per_kill` jobs succeed between two kills: however slow the machine is, jobs go on.
    """
    logging.disable(logging.WARNING)
    waiting.scale = max(5.0, jobs / 300)
    killed: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    problems, rows = [], []
    for seed in range(plan.seed, plan.seed + rounds):
        directory = Path(tempfile.mkdtemp(prefix=f"kills-{seed}-"))
        started_s = time.monotonic()
        scenario = _scenario(killed, load_s=jobs / jobs_per_s, jobs_per_kill=jobs_per_kill)
        outcome = run(scenario, seed=seed, jobs=jobs, directory=directory, batch_items=jobs)
        _count(totals, outcome)
        took_s = time.monotonic() - started_s
        rows.append([f"{seed}", f"{took_s:.0f}", f"{outcome.recovery_s:.1f}"])
        print(
            f"seed {seed}: {outcome.report}; {took_s:.0f} s; killed so far: {_shown(killed)}",
            file=sys.stderr,
            flush=True,
        )
        if outcome.report.clean:
            shutil.rmtree(directory)
        else:
            problems.append(f"Kills, seed {seed}: {outcome.report}; logs in {directory}")
    return Section(
        title="Kills under load",
        blocks=[
            Text(f"{killed.total()} kills by SIGKILL: {_shown(killed)}."),
            Table([*totals], [[f"{count:,}" for count in totals.values()]]),
            Table(["seed", "took, s", "slowest recovery, s"], rows),
        ],
        document={"kills": dict(killed), "jobs": dict(totals)},
        problems=problems,
    )


def _shown(killed: Counter[str]) -> str:
    return ", ".join(f"{count} times {whom}" for whom, count in sorted(killed.items()))


def _scenario(killed: Counter[str], *, load_s: float, jobs_per_kill: int) -> Scenario:
    def inject(env: Environment) -> None:
        while not env.all_ended():
            _keep(env, WORKERS)
            env.await_progress(env.rng.randint(jobs_per_kill // 2, 3 * jobs_per_kill // 2))
            killed[_kill(env, env.rng)] += 1
            env.record_fault()

    return Scenario(
        name="L7",
        title="kills under load",
        inject=inject,
        load_s=load_s,
        workers=WORKERS,
        batch_ms=BATCH_MS,
        settings={"max_batch": 8},
    )


def _kill(env: Environment, rng: random.Random) -> str:
    (whom,) = rng.choices(list(KILLS), weights=list(KILLS.values()))
    if whom == "API":
        kill_serving_process(env)
    elif whom == "Redis":
        kill_redis(env)
        wait_until(lambda: _answers(env), what="Redis has loaded its data")
    else:
        env.kill(rng.choice([worker for worker in env.workers if worker.poll() is None]))
    return whom


def _answers(env: Environment) -> bool:
    try:
        return bool(env.redis.ping())
    except RedisConnectionError:
        return False


def _keep(env: Environment, workers: int) -> None:
    alive = sum(worker.poll() is None for worker in env.workers)
    for _ in range(workers - alive):
        env.workers.launch(batch_ms=BATCH_MS)


def _count(totals: Counter[str], outcome: Outcome) -> None:
    report = outcome.report
    totals.update(
        {
            "accepted": report.accepted,
            "succeeded": report.outcomes.get(JobState.SUCCEEDED, 0),
            "lost": report.count(Anomaly.LOST),
            "twice": report.count(Anomaly.DUPLICATED, Anomaly.KEY_REUSED),
            "violations": len(report.violations),
        }
    )
