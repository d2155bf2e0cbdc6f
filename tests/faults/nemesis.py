"""Run random sequences of faults, drawn from a seed.

Run from the folder `tests`:

    python -m faults.nemesis --minutes 30 --seed 7

Each round has its own seed and environment: faults hit the service under load one after the other,
then the checker runs. `--seed N --rounds 1` repeats a round, as far as timing allows. Failed rounds
keep their logs.
"""

import argparse
import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from faults.environment import Environment
from faults.fault_actions import FAULT_ACTIONS, STORE_FAULT_ACTIONS
from faults.run import Outcome, run
from faults.scenario import Scenario
from seewhy.errors import SeewhyError
from servers.poison import Poison

NO_FAULT = "none"
"""Faulty workers without a fault: poison images affect them."""
FAULTS_PER_ROUND = 10
MAX_DEATHS = 30
LOAD_S = 20.0


def draw_round(seed: int, *, faults: int = FAULTS_PER_ROUND, load_s: float = LOAD_S) -> Scenario:
    """Draw the environment and the faults of a round."""
    rng = random.Random(f"nemesis {seed}")
    on_s3 = rng.random() < 0.3
    names = sorted({**FAULT_ACTIONS, **(STORE_FAULT_ACTIONS if on_s3 else {})})
    drawn = [rng.choice(names) for _ in range(faults)]

    def inject(env: Environment) -> None:
        for name in drawn:
            _ensure_workers(env, rng)
            env.pause(0.2, 1.0)
            (FAULT_ACTIONS | STORE_FAULT_ACTIONS)[name](env)
            env.record_fault()
        env.workers.supervise(
            env.all_ended, fault=NO_FAULT, on_death=env.record_fault, max_deaths=MAX_DEATHS
        )

    return Scenario(
        name="nemesis",
        title=", ".join(drawn),
        inject=inject,
        load_s=load_s,
        workers=0,
        on_s3=on_s3,
        poisons=[Poison.KILL] * rng.randint(0, 2),
        settings={"max_batch": rng.choice([1, 4, 8])},
    )


def _ensure_workers(env: Environment, rng: random.Random) -> None:
    """Replace workers that faults and poison images have ended."""
    alive = sum(worker.poll() is None for worker in env.workers)
    for _ in range(rng.randint(1, 2) - alive):
        env.workers.launch(fault=NO_FAULT, batch_ms=rng.choice([20, 100, 300]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run rounds until the time is up, then print totals."""
    parser = argparse.ArgumentParser(
        prog="python -m faults.nemesis",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="start no round after this time")
    parser.add_argument("--rounds", type=int, default=sys.maxsize, help="maximum number of rounds")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first round")
    parser.add_argument("--jobs", type=int, default=200, help="jobs per round")
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    ends_at = time.monotonic() + 60 * options.minutes
    totals: Counter[str] = Counter()
    seed = options.seed
    while time.monotonic() < ends_at and seed < options.seed + options.rounds:
        outcome = _run_round(seed, jobs=options.jobs)
        totals["rounds"] += 1
        totals["failed rounds"] += outcome is None or not outcome.report.clean
        if outcome is not None:
            totals["jobs"] += outcome.report.accepted
            totals["samples"] += outcome.report.samples
            totals.update({str(state): n for state, n in outcome.report.outcomes.items()})
        seed += 1
    print(", ".join(f"{count} {name}" for name, count in totals.items()))
    return 1 if totals["failed rounds"] else 0


def _run_round(seed: int, *, jobs: int) -> Outcome | None:
    """Run one round and print its result; return None if it failed before the checker ran."""
    directory = Path(tempfile.mkdtemp(prefix=f"nemesis-{seed}-"))
    scenario = draw_round(seed)
    print(f"seed {seed}: {scenario.title}", flush=True)
    try:
        outcome = run(scenario, seed=seed, jobs=jobs, directory=directory)
    except (AssertionError, TimeoutError, SeewhyError) as error:
        print(f"  {error}\n  logs: {directory}", flush=True)
        return None
    print(f"  {outcome.report}; {outcome.recovery_s:.1f} s", flush=True)
    if outcome.report.clean:
        shutil.rmtree(directory)
    else:
        print(f"  logs: {directory}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
