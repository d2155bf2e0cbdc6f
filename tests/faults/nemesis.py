"""Faults of every kind, drawn by a seed, for as long as one likes. From the folder `tests`:

    python -m faults.nemesis --minutes 30 --seed 7

It goes by rounds. Each is a world of its own, with a seed of its own, in which blows fall one after
the other on a service under load, and which is judged at its end. `--seed N --rounds 1` repeats
one, as far as two machines ever do the same. A round that broke a promise keeps its logs.
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

from faults.blows import BLOWS, STORE_BLOWS
from faults.run import Outcome, run
from faults.scenario import Scenario
from faults.world import World
from seewhy.errors import SeewhyError
from servers.poison import Poison

FAULT = "none"
BLOWS_PER_ROUND = 10
DEATHS_AT_MOST = 30
OVER_S = 20.0


def round_of(seed: int, *, blows: int = BLOWS_PER_ROUND, over_s: float = OVER_S) -> Scenario:
    """Draw a round: its world, and so many blows."""
    chance = random.Random(f"nemesis {seed}")
    on_s3 = chance.random() < 0.3
    known = sorted({**BLOWS, **(STORE_BLOWS if on_s3 else {})})
    drawn = [chance.choice(known) for _ in range(blows)]

    def strike(world: World) -> None:
        for name in drawn:
            _revive(world, chance)
            world.pause(0.2, 1.0)
            (BLOWS | STORE_BLOWS)[name](world)
            world.struck()
        world.fleet.supervise(world.ended, fault=FAULT, died=world.struck, at_most=DEATHS_AT_MOST)

    return Scenario(
        name="nemesis",
        title=", ".join(drawn),
        stage=strike,
        over_s=over_s,
        workers=0,
        on_s3=on_s3,
        poisons=[Poison.KILL] * chance.randint(0, 2),
        settings={"max_batch": chance.choice([1, 4, 8])},
    )


def _revive(world: World, chance: random.Random) -> None:
    """See to it that somebody works: blows and poison end workers."""
    alive = sum(worker.poll() is None for worker in world.fleet)
    for _ in range(chance.randint(1, 2) - alive):
        world.fleet.launch(fault=FAULT, batch_ms=chance.choice([20, 100, 300]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run rounds until the time is over, and tell what came of all of them."""
    parser = argparse.ArgumentParser(prog="python -m faults.nemesis", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="no round begins after that")
    parser.add_argument("--rounds", type=int, default=sys.maxsize, help="or after so many")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next count up")
    parser.add_argument("--jobs", type=int, default=200, help="jobs of each round")
    chosen = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    ends_at = time.monotonic() + 60 * chosen.minutes
    tally: Counter[str] = Counter()
    seed = chosen.seed
    while time.monotonic() < ends_at and seed < chosen.seed + chosen.rounds:
        outcome = _one(seed, jobs=chosen.jobs)
        tally["rounds"] += 1
        tally["broken"] += outcome is None or not outcome.report.clean
        if outcome is not None:
            tally["jobs"] += outcome.report.promised
            tally["samples"] += outcome.report.samples
            tally.update({str(state): n for state, n in outcome.report.outcomes.items()})
        seed += 1
    print(", ".join(f"{count} {name}" for name, count in tally.items()))
    return 1 if tally["broken"] else 0


def _one(seed: int, *, jobs: int) -> Outcome | None:
    """Stage one round and tell of it; None when it went wrong before it could be judged."""
    directory = Path(tempfile.mkdtemp(prefix=f"nemesis-{seed}-"))
    scenario = round_of(seed)
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
