"""Run experiments and write one report: `PYTHONPATH=tests:benchmarks python -m pools scaling`."""

import argparse
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pools.burst import burst
from pools.elasticity import elasticity
from pools.fairness import fairness
from pools.faults import faults
from pools.generator import check_generator
from pools.kills import kills
from pools.ledger_ceiling import ledger_ceiling
from pools.report import write
from pools.scaling import scaling
from pools.section import Plan, Section
from pools.service import Profile
from pools.soak import soak
from pools.sweep import sweep
from seewhy_loadtest.stages.options import DEFAULT_RATES, Objective, parse_rates

EXPERIMENTS: dict[str, Callable[[Plan], Section]] = {
    "generator": check_generator,
    "scaling": scaling,
    "sweep": sweep,
    "burst": burst,
    "elasticity": elasticity,
    "ledger": ledger_ceiling,
    "faults": faults,
    "fairness": fairness,
    "soak": soak,
}
"""Name → what makes its part of the report; all are run by default, in this order."""


def main() -> int:
    """Run the experiments that the arguments name; 1 if something is wrong that must not be."""
    parser = argparse.ArgumentParser(prog="python -m pools", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*EXPERIMENTS, "kills"]))
    parser.add_argument(
        "--out", type=Path, default=Path("build/pools"), help="folder of the report"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch-ms", type=float, default=80, help="time of a batch on a device")
    parser.add_argument("--image-ms", type=float, default=40, help="time of each image in it")
    parser.add_argument("--workers", type=int, default=2, help="workers, except for scaling")
    parser.add_argument("--scaling", type=int, nargs="+", default=[1, 2, 4, 8], metavar="WORKERS")
    parser.add_argument("--seconds", type=float, default=30, help="of a rate, a burst, a fault")
    parser.add_argument("--rates", type=parse_rates, default=DEFAULT_RATES, help="of the sweep")
    parser.add_argument("--objective", type=Objective.parse, default="p99=2s")
    parser.add_argument("--soak-minutes", type=float, default=10)
    parser.add_argument(
        "--soak-csv", type=Path, help="report an earlier soak in place of a new one"
    )
    parser.add_argument("--rounds", type=int, default=2, help="of kills")
    parser.add_argument("--jobs", type=int, default=4_000, help="jobs of a round of kills")
    parser.add_argument("--rate", type=float, default=200, help="submissions a second, of kills")
    parser.add_argument("--jobs-per-kill", type=int, default=200)
    options = parser.parse_args()
    plan = Plan(
        profile=Profile(batch_ms=options.batch_ms, image_ms=options.image_ms),
        scaling=options.scaling,
        workers=options.workers,
        seconds=options.seconds,
        rates=options.rates,
        objective=options.objective,
        seed=options.seed,
        soak_s=60 * options.soak_minutes,
        soak_csv=options.soak_csv,
        out=options.out,
    )
    size = {"rounds": options.rounds, "jobs": options.jobs, "jobs_per_s": options.rate}
    size["jobs_per_kill"] = options.jobs_per_kill
    known = EXPERIMENTS | {"kills": partial(kills, **size)}
    names = options.names or list(known)
    if unknown := set(names) - set(known):
        parser.error(f"no such experiment: {', '.join(sorted(unknown))}")
    sections: dict[str, Section] = {}
    for name in names:
        print(f"==> {name}", file=sys.stderr, flush=True)
        sections[name] = known[name](plan)
    command = shlex.join(["python", "-m", "pools", *sys.argv[1:]])
    print(write(plan, sections, command=command).read_text("utf-8"))
    return int(any(section.problems for section in sections.values()))


if __name__ == "__main__":
    raise SystemExit(main())
