"""L7: kill workers, the API and Redis again and again while jobs arrive, and account for every job.

Each round is one run of the fault tests (tests/faults) with its own servers, and its checker
compares what was accepted with the records, the events and the objects of every job.
"""

import logging
import random
import shutil
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
from seewhy.schemas.job import JobState
from servers import waiting
from servers.waiting import wait_until

WORKERS = 4
KILLS = {"worker": 7, "API": 2, "Redis": 1}
"""Whom a kill hits, and how often of ten times."""
JOBS_BETWEEN = (100, 300)
"""How many jobs succeed between two kills: however slow the machine is, jobs go on."""
BATCH_MS = 50.0


def run_rounds(*, rounds: int, jobs: int, jobs_per_s: float, first_seed: int = 1) -> bool:
    """Run rounds of `jobs` jobs, print what was counted, and return whether all were clean."""
    logging.disable(logging.WARNING)
    waiting.scale = max(1.0, jobs / 1_000)
    kills: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for seed in range(first_seed, first_seed + rounds):
        directory = Path(tempfile.mkdtemp(prefix=f"kills-{seed}-"))
        started_s = time.monotonic()
        scenario = _scenario(kills, load_s=jobs / jobs_per_s)
        outcome = run(scenario, seed=seed, jobs=jobs, directory=directory, batch_items=jobs)
        _count(totals, outcome)
        killed = ", ".join(f"{count} {name}" for name, count in sorted(kills.items()))
        print(
            f"seed {seed}: {outcome.report}; {time.monotonic() - started_s:.0f} s; slowest "
            f"recovery {outcome.recovery_s:.1f} s; kills so far: {killed}",
            flush=True,
        )
        if outcome.report.clean:
            shutil.rmtree(directory)
    print(", ".join(f"{count} {name}" for name, count in totals.items()))
    return not totals["violations"]


def _scenario(kills: Counter[str], *, load_s: float) -> Scenario:
    def inject(env: Environment) -> None:
        while not env.all_ended():
            _keep(env, WORKERS)
            env.await_progress(env.rng.randint(*JOBS_BETWEEN))
            kills[_kill(env, env.rng)] += 1
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
