"""Run scenarios and judge them, from the folder `tests`.

    python -m faults.run --seeds 3 --jobs 200 F1 F13

Prints, for each fault, what was lost, what happened twice, what else was wrong, and the slowest
recovery. Exits with 1 when anything was wrong; the logs of such a run are kept.
"""

import argparse
import logging
import math
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from faults.checker import Report, Wrong, check
from faults.recovery import recovery_s
from faults.sampler import Sampler
from faults.scenario import Scenario
from faults.scenarios import SCENARIOS
from faults.world import World, world
from seewhy.errors import SeewhyError
from seewhy.schemas.job import JobState
from servers import waiting
from servers.waiting import wait_until

END_WITHIN_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """One run, judged."""

    report: Report
    recovery_s: float


def run(scenario: Scenario, *, seed: int, jobs: int, directory: Path) -> Outcome:
    """Stage a scenario under load, wait until every promise is kept, and judge.

    Raises `AssertionError` when the fault did not take place, or took more than it may.
    """
    with world(
        directory,
        seed=seed,
        jobs=max(jobs, scenario.fewest),
        over_s=scenario.over_s,
        on_s3=scenario.on_s3,
        appendfsync=scenario.appendfsync,
        poisons=scenario.poisons,
        **scenario.settings,
    ) as staged:
        for _ in range(scenario.workers):
            staged.fleet.start(batch_ms=scenario.batch_ms)
        sampler = Sampler(staged.client)
        sampler.start()
        try:
            _under_load(staged, scenario)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{check(staged.history(sampler.samples))}") from error
        finally:
            sampler.stop()
        history = staged.history(sampler.samples)
        return Outcome(check(history), recovery_s(history.events, staged.struck_ms))


def _under_load(staged: World, scenario: Scenario) -> None:
    raised: list[BaseException] = []

    def submit() -> None:
        try:
            staged.submitter.run()
        except BaseException as error:  # noqa: BLE001 - told to the thread that waits
            raised.append(error)

    load = threading.Thread(target=submit, name="load")
    load.start()
    try:
        scenario.stage(staged)
    finally:
        load.join()
    if raised:
        raise raised[0]
    assert set(staged.submitter.statuses) <= {0, 200, 202, 409, 429, 503}, staged.submitter.statuses
    assert staged.submitter.hasty == 0, "a refusal did not say when to come back"
    # Whatever has not ended by then is lost, and the judge will name it.
    with suppress(AssertionError):
        wait_until(
            lambda: staged.ledger.counts().non_terminal == 0,
            what="every job has ended",
            limit_s=END_WITHIN_S,
        )


def table(rows: Sequence[tuple[Scenario, int, int, list[Outcome]]]) -> str:
    """Draw one line for each fault."""
    lines = [
        f"{'fault':5} {'seeds x jobs':>13} {'lost':>5} {'twice':>6} {'other':>6} {'failed':>7}"
        f" {'samples':>8} {'slowest recovery':>17}  what"
    ]
    for scenario, seeds, jobs, outcomes in rows:
        reports = [outcome.report for outcome in outcomes]
        lost = sum(report.count(Wrong.LOST) for report in reports)
        twice = sum(report.count(Wrong.DUPLICATED, Wrong.SPLIT) for report in reports)
        other = sum(len(report.violations) for report in reports) - lost - twice
        failed = sum(report.outcomes.get(JobState.FAILED, 0) for report in reports)
        samples = sum(report.samples for report in reports)
        slowest = max((outcome.recovery_s for outcome in outcomes), default=0.0)
        lines.append(
            f"{scenario.name:5} {f'{seeds} x {jobs}':>13} {lost:5} {twice:6} {other:6} {failed:7}"
            f" {samples:8} {f'{slowest:.1f} s':>17}  {scenario.title}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names, all by default."""
    parser = argparse.ArgumentParser(prog="python -m faults.run", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(SCENARIOS))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--first-seed", type=int, default=1, help="to repeat one run")
    parser.add_argument("--jobs", type=int, default=200, help="jobs of each run")
    parser.add_argument("--patience", type=float, default=math.inf, help="no wait is longer, in s")
    chosen = parser.parse_args(arguments)
    waiting.longest_s = chosen.patience
    unknown = set(chosen.faults) - set(SCENARIOS)
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    logging.disable(logging.WARNING)
    rows: list[tuple[Scenario, int, int, list[Outcome]]] = []
    well = True
    for name in chosen.faults or SCENARIOS:
        outcomes: list[Outcome] = []
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
            well &= _one(SCENARIOS[name], seed=seed, jobs=chosen.jobs, outcomes=outcomes)
        rows.append((SCENARIOS[name], len(outcomes), chosen.jobs, outcomes))
    print(table(rows))
    return 0 if well else 1


def _one(scenario: Scenario, *, seed: int, jobs: int, outcomes: list[Outcome]) -> bool:
    directory = Path(tempfile.mkdtemp(prefix=f"{scenario.name}-{seed}-"))
    try:
        outcome = run(scenario, seed=seed, jobs=jobs, directory=directory)
    except (AssertionError, TimeoutError, SeewhyError) as error:
        print(f"{scenario.name}, seed {seed}: {error}\n  logs: {directory}", flush=True)
        return False
    outcomes.append(outcome)
    print(f"{scenario.name}, seed {seed}: {outcome.report}; {outcome.recovery_s:.1f} s", flush=True)
    if not outcome.report.clean:
        print(f"  logs: {directory}", flush=True)
        return False
    shutil.rmtree(directory)
    return True


if __name__ == "__main__":
    sys.exit(main())
