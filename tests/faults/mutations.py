"""Test that every guard is necessary, by mutation testing.

Run from the folder `tests`:

    python -m faults.mutations

Disables one guard at a time in a copy of the code, runs the fault or the test that the guard
protects against, and expects that run to report the expected violation. Prints one line per guard.
Exits with 1 when a mutant survives, fails for another reason, or when the unmodified copy fails.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faults.guard_mutations import MUTATIONS, Mutation
from servers.processes import environment_without_coverage

TESTS = Path(__file__).parents[1]
PACKAGES = ("core", "api", "worker")
TIMEOUT_S = 240.0
CONCURRENCY = 2
UNMODIFIED_PATIENCE_S = 120.0
"""A mutant waits in vain; a fault that passes waits only for a slow machine."""


@dataclass(frozen=True)
class RunResult:
    """Whether a run went as expected, and its output."""

    passed: bool
    output: str


class MutationError(Exception):
    """The text to replace does not occur exactly once; the mutation must be updated."""


def mutated(mutation: Mutation) -> str:
    """Return the text of the file without the guard. Raises `MutationError`."""
    text = (TESTS.parent / mutation.file).read_text("utf-8")
    if (times := text.count(mutation.old)) != 1:
        raise MutationError(f"{mutation.file} holds {mutation.old!r} {times} times, not once")
    return text.replace(mutation.old, mutation.new)


@contextmanager
def copied(mutation: Mutation | None = None) -> Iterator[Path]:
    """Provide a copy of the product's code, mutated or not, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder)
        for package in PACKAGES:
            shutil.copytree(TESTS.parent / package, copy / package)
        (copy / "models").symlink_to(TESTS.parent / "models")
        if mutation is not None:
            (copy / mutation.file).write_text(mutated(mutation), "utf-8")
        yield copy


def run_fault(mutation: Mutation, copy: Path, *, jobs: int, patience_s: float) -> RunResult:
    """Run a mutation's fault or test against a copy of the code, in another process.

    No wait of a fault takes longer than `patience_s`.
    """
    paths = os.pathsep.join(str(copy / package) for package in (*PACKAGES, "models"))
    options = ["--seeds", "1", "--jobs", str(jobs), "--patience", str(patience_s)]
    command = ["faults.run", *options, mutation.fault]
    if mutation.is_test:
        command = ["pytest", "--quiet", "-p", "no:cacheprovider", mutation.fault]
    run = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=TESTS,
        env=environment_without_coverage() | {"PYTHONPATH": paths, "TMPDIR": str(copy)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return RunResult(run.returncode == 0, run.stdout + run.stderr)


def run_unmodified(mutation: Mutation, *, jobs: int) -> RunResult:
    """Run a mutation's fault against an unmodified copy."""
    with copied() as copy:
        return run_fault(mutation, copy, jobs=jobs, patience_s=UNMODIFIED_PATIENCE_S)


def run_mutant(mutation: Mutation, *, jobs: int) -> RunResult:
    """Run a mutation's fault without the guard; `passed` if the expected violation is reported."""
    with copied(mutation) as copy:
        result = run_fault(mutation, copy, jobs=jobs, patience_s=mutation.patience_s)
    seen = re.search(mutation.seen, result.output)
    output = seen[0] if seen else f"unexpected output:\n{result.output}"
    return RunResult(not result.passed and seen is not None, output)


def run_all_unmodified(mutations: Sequence[Mutation], *, jobs: int) -> dict[str, RunResult]:
    """Run every fault of the mutations against unmodified copies; return results by fault."""
    by_fault = {mutation.fault: mutation for mutation in mutations}
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        results = pool.map(lambda each: run_unmodified(each, jobs=jobs), by_fault.values())
        return dict(zip(by_fault, results, strict=True))


def run_all_mutants(mutations: Sequence[Mutation], *, jobs: int) -> dict[str, RunResult]:
    """Disable each guard in a separate copy; return results by guard."""
    guards = [mutation.guard for mutation in mutations]
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        results = pool.map(lambda each: run_mutant(each, jobs=jobs), mutations)
        return dict(zip(guards, results, strict=True))


def table(rows: Sequence[tuple[Mutation, RunResult]]) -> str:
    """Format one line per guard."""
    lines = [f"{'disabled guard':40} {'fault':6} {'caught':7} reported"]
    for mutation, result in rows:
        caught = "yes" if result.passed else "NO"
        fault = "test" if mutation.is_test else mutation.fault
        lines.append(f"{mutation.guard:40} {fault:6} {caught:7} {result.output}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the unmodified code, then every mutant."""
    parser = argparse.ArgumentParser(
        prog="python -m faults.mutations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--jobs", type=int, default=40, help="jobs per run")
    parser.add_argument("guards", nargs="*", metavar="GUARD", help="guards to disable, default all")
    options = parser.parse_args(arguments)
    chosen = [each for each in MUTATIONS if not options.guards or each.guard in options.guards]
    for fault, result in run_all_unmodified(chosen, jobs=options.jobs).items():
        if not result.passed:
            print(f"{fault} fails with every guard in place:\n{result.output}")
            return 1
    results = run_all_mutants(chosen, jobs=options.jobs)
    print(table([(mutation, results[mutation.guard]) for mutation in chosen]))
    return 0 if all(result.passed for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
