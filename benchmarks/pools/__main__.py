"""Run an experiment: `PYTHONPATH=tests:benchmarks python -m pools scaling`."""

import argparse
from dataclasses import fields

from pools.burst import burst
from pools.elasticity import elasticity
from pools.fairness import fairness
from pools.kills import run_rounds
from pools.ledger_ceiling import measure as measure_ledger
from pools.scaling import scaling
from pools.service import Profile


def main() -> int:
    """Run the experiment that the arguments name; 1 if it has found a violation."""
    parser = argparse.ArgumentParser(prog="python -m pools", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch-ms", type=float, default=80, help="time of a batch on a device")
    parser.add_argument("--image-ms", type=float, default=40, help="time of each image in it")
    chosen = parser.add_subparsers(dest="name", required=True)
    one = chosen.add_parser("scaling", help="L1: throughput of a full queue by workers")
    one.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    one.add_argument("--seconds", type=float, default=40)
    three = chosen.add_parser("burst", help="L3: how long the backlog of a burst takes to drain")
    three.add_argument("--workers", type=int, default=2)
    three.add_argument("--seconds", type=float, default=30, help="length of the burst")
    four = chosen.add_parser("elasticity", help="L4: one worker, four, and one again, under load")
    four.add_argument("--seconds", type=float, default=25, help="length of each of three phases")
    five = chosen.add_parser("ledger", help="L5: the ledger without API, store and model")
    five.add_argument("--jobs", type=int, default=40_000)
    seven = chosen.add_parser("kills", help="L7: every job after kills under load")
    seven.add_argument("--rounds", type=int, default=25)
    seven.add_argument("--jobs", type=int, default=4_000, help="jobs of a round")
    seven.add_argument("--rate", type=float, default=200, help="submissions for each second")
    eight = chosen.add_parser("fairness", help="L8: tenants beside one that sends ten times more")
    eight.add_argument("--workers", type=int, default=2)
    eight.add_argument("--seconds", type=float, default=45)
    options = parser.parse_args()
    profile = Profile(batch_ms=options.batch_ms, image_ms=options.image_ms)
    if options.name == "scaling":
        scaling(profile, counts=options.workers, seconds=options.seconds)
    elif options.name == "burst":
        length = {"base_s": 15.0, "burst_s": options.seconds}
        burst(profile, workers=options.workers, seed=options.seed, **length)
    elif options.name == "elasticity":
        elasticity(profile, phase_s=options.seconds, seed=options.seed)
    elif options.name == "ledger":
        ceiling = measure_ledger(jobs=options.jobs)
        print(
            ", ".join(f"{each.name} {getattr(ceiling, each.name):.4g}" for each in fields(ceiling))
        )
    elif options.name == "kills":
        size = {"rounds": options.rounds, "jobs": options.jobs}
        return not run_rounds(**size, jobs_per_s=options.rate, first_seed=options.seed)
    else:
        length_s = options.seconds
        fairness(profile, workers=options.workers, seconds=length_s, seed=options.seed)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
