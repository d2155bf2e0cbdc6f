"""Run fault scenarios and check the outcomes.

Run from the folder `tests`:

    python -m faults.run --seeds 3 --jobs 200 F1 F13

Prints for each fault the number of lost jobs, duplicates, other violations and failed jobs, and the
slowest recovery. Exits with 1 after any violation; such runs keep their logs.
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

from faults.checker import Anomaly, Report, check
from faults.environment import BATCH_ITEMS, Environment, start_environment
from faults.recovery import recovery_s
from faults.sampler import Sampler
from faults.scenario import Scenario
from faults.scenarios import SCENARIOS
from seewhy.errors import SeewhyError
from seewhy.schemas.job import JobState
from servers import waiting
from servers.waiting import wait_until

END_TIMEOUT_S = 60.0
ITEMS_PER_USUAL_WAIT = 1_000
"""With larger batches, every wait may take longer in proportion."""


@dataclass(frozen=True)
class Outcome:
    """The result of one run."""

    report: Report
    recovery_s: float


def run(
    scenario: Scenario, *, seed: int, jobs: int, directory: Path, batch_items: int = BATCH_ITEMS
) -> Outcome:
    """Inject a fault under load, wait until every job has ended, and check.

    Raises `AssertionError` when the fault did not occur or a scenario's own check fails.
    """
    with start_environment(
        directory,
        seed=seed,
        jobs=max(jobs, scenario.min_jobs),
        load_s=scenario.load_s,
        on_s3=scenario.on_s3,
        appendfsync=scenario.appendfsync,
        poisons=scenario.poisons,
        batch_items=batch_items,
        **scenario.settings_for(batch_items),
    ) as env:
        for _ in range(scenario.workers):
            env.workers.start(batch_ms=scenario.batch_ms)
        for skew_s in scenario.clock_skews_s:
            env.workers.start(batch_ms=scenario.batch_ms, skew_s=skew_s)
        sampler = Sampler(env.redis)
        sampler.start()
        try:
            _inject_under_load(env, scenario)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{check(env.history(sampler.samples))}") from error
        finally:
            sampler.stop()
        history = env.history(sampler.samples)
        return Outcome(check(history), recovery_s(history.events, env.fault_times_ms))


def _inject_under_load(env: Environment, scenario: Scenario) -> None:
    raised: list[BaseException] = []

    def submit() -> None:
        try:
            env.submitter.run()
        except BaseException as error:  # noqa: BLE001 - re-raised in the calling thread
            raised.append(error)

    load = threading.Thread(target=submit, name="load")
    load.start()
    try:
        scenario.inject(env)
    finally:
        load.join()
    if raised:
        raise raised[0]
    assert set(env.submitter.statuses) <= {0, 200, 202, 409, 429, 503}, env.submitter.statuses
    assert env.submitter.missing_retry_after == 0, "a refusal had no Retry-After"
    # The checker reports jobs that have not ended by then as lost.
    with suppress(AssertionError):
        wait_until(
            lambda: env.ledger.counts().non_terminal == 0,
            what="every job has ended",
            limit_s=END_TIMEOUT_S,
        )
    assert not env.workers.task_errors(), "a task raised"


def table(rows: Sequence[tuple[Scenario, int, int, list[Outcome]]]) -> str:
    """Format one line per fault."""
    lines = [
        f"{'fault':5} {'seeds x jobs':>13} {'lost':>5} {'duplicated':>10} {'other':>6}"
        f" {'failed':>7} {'samples':>8} {'slowest recovery':>17}  description"
    ]
    for scenario, seeds, jobs, outcomes in rows:
        reports = [outcome.report for outcome in outcomes]
        lost = sum(report.count(Anomaly.LOST) for report in reports)
        duplicated = sum(report.count(Anomaly.DUPLICATED, Anomaly.KEY_REUSED) for report in reports)
        other = sum(len(report.violations) for report in reports) - lost - duplicated
        failed = sum(report.outcomes.get(JobState.FAILED, 0) for report in reports)
        samples = sum(report.samples for report in reports)
        slowest = max((outcome.recovery_s for outcome in outcomes), default=0.0)
        lines.append(
            f"{scenario.name:5} {f'{seeds} x {jobs}':>13} {lost:5} {duplicated:10} {other:6}"
            f" {failed:7} {samples:8} {f'{slowest:.1f} s':>17}  {scenario.title}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the faults named on the command line, all by default."""
    parser = argparse.ArgumentParser(
        prog="python -m faults.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(SCENARIOS))
    parser.add_argument("--seeds", type=int, default=3, help="runs per fault")
    parser.add_argument("--first-seed", type=int, default=1, help="seed of the first run")
    parser.add_argument("--jobs", type=int, default=200, help="jobs per run")
    parser.add_argument(
        "--batch-items", type=int, default=BATCH_ITEMS, help="items of each batch, in F40 to F43"
    )
    parser.add_argument(
        "--patience", type=float, default=math.inf, help="upper bound of every wait, in s"
    )
    options = parser.parse_args(arguments)
    waiting.max_wait_s = options.patience
    waiting.scale = max(1.0, options.batch_items / ITEMS_PER_USUAL_WAIT)
    unknown = set(options.faults) - set(SCENARIOS)
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    logging.disable(logging.WARNING)
    rows: list[tuple[Scenario, int, int, list[Outcome]]] = []
    ok = True
    for name in options.faults or SCENARIOS:
        outcomes: list[Outcome] = []
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            size = {"jobs": options.jobs, "batch_items": options.batch_items}
            ok &= _run_once(SCENARIOS[name], seed=seed, outcomes=outcomes, **size)
        rows.append((SCENARIOS[name], len(outcomes), options.jobs, outcomes))
    print(table(rows))
    return 0 if ok else 1


def _run_once(
    scenario: Scenario, *, seed: int, jobs: int, batch_items: int, outcomes: list[Outcome]
) -> bool:
    """Run a scenario, print its result and append its outcome; return whether it is clean."""
    directory = Path(tempfile.mkdtemp(prefix=f"{scenario.name}-{seed}-"))
    try:
        outcome = run(scenario, seed=seed, jobs=jobs, directory=directory, batch_items=batch_items)
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
