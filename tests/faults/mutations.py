"""Do the faults bite? Each guard is switched off in a copy of the code, and the judge must see it.

    python -m faults.mutations

Prints what was switched off, which fault showed it, and what was seen. Exits with 1 when a mutated
copy passed, failed for another reason, or when the copy was not sound to begin with.
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

from faults.guards import MUTATIONS, Mutation

HERE = Path(__file__).parents[1]
PARTS = ("core", "api", "worker")
LIMIT_S = 120.0
AT_ONCE = 2


@dataclass(frozen=True)
class Verdict:
    """What came of one run on a copy."""

    passed: bool
    said: str


class Unmutable(Exception):
    """The text to be replaced is not there, or not once: the mutation has to be written anew."""


def mutated(mutation: Mutation) -> str:
    """Return the text of a file with the guard switched off. Raises `Unmutable`."""
    text = (HERE.parent / mutation.file).read_text("utf-8")
    if (times := text.count(mutation.old)) != 1:
        raise Unmutable(f"{mutation.file} holds {mutation.old!r} {times} times, not once")
    return text.replace(mutation.old, mutation.new)


@contextmanager
def copied(mutation: Mutation | None = None) -> Iterator[Path]:
    """Make a copy of the product's code, mutated or not, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder)
        for part in PARTS:
            shutil.copytree(HERE.parent / part, copy / part)
        (copy / "models").symlink_to(HERE.parent / "models")
        if mutation is not None:
            (copy / mutation.file).write_text(mutated(mutation), "utf-8")
        yield copy


def stage(mutation: Mutation, copy: Path, *, jobs: int) -> Verdict:
    """Stage a mutation's fault against a copy, mutated or not, in a process of its own."""
    paths = os.pathsep.join(str(copy / part) for part in (*PARTS, "models"))
    asked = ["--seeds", "1", "--jobs", str(jobs), "--patience", str(mutation.patience_s)]
    run = subprocess.run(
        [sys.executable, "-m", "faults.run", *asked, mutation.fault],
        cwd=HERE,
        env=_unmeasured() | {"PYTHONPATH": paths, "TMPDIR": str(copy)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Verdict(run.returncode == 0, run.stdout + run.stderr)


def _unmeasured() -> dict[str, str]:
    """Return the environment without what would count the coverage of a copy."""
    return {n: value for n, value in os.environ.items() if not n.startswith("COVERAGE_")}


def sound(mutation: Mutation, *, jobs: int) -> Verdict:
    """Stage a mutation's fault against a copy as it is."""
    with copied() as copy:
        return stage(mutation, copy, jobs=jobs)


def bitten(mutation: Mutation, *, jobs: int) -> Verdict:
    """Stage a mutation's fault; passed is the verdict only when its own words were said."""
    with copied(mutation) as copy:
        verdict = stage(mutation, copy, jobs=jobs)
    said = re.search(mutation.seen, verdict.said)
    told = said[0] if said else f"not what was expected:\n{verdict.said}"
    return Verdict(not verdict.passed and said is not None, told)


def prove_sound(mutations: Sequence[Mutation], *, jobs: int) -> dict[str, Verdict]:
    """Stage every fault that the mutations need, on copies as they are."""
    needed = {mutation.fault: mutation for mutation in mutations}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = pool.map(lambda each: sound(each, jobs=jobs), needed.values())
        return dict(zip(needed, verdicts, strict=True))


def switch_off(mutations: Sequence[Mutation], *, jobs: int) -> dict[str, Verdict]:
    """Switch off the guards, each in a copy of its own."""
    guards = [mutation.guard for mutation in mutations]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = pool.map(lambda each: bitten(each, jobs=jobs), mutations)
        return dict(zip(guards, verdicts, strict=True))


def table(rows: Sequence[tuple[Mutation, Verdict]]) -> str:
    """Draw one line for each guard."""
    lines = [f"{'switched off':26} {'fault':6} {'caught':7} seen"]
    for mutation, verdict in rows:
        caught = "yes" if verdict.passed else "NO"
        lines.append(f"{mutation.guard:26} {mutation.fault:6} {caught:7} {verdict.said}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove the copy sound, then switch off every guard."""
    parser = argparse.ArgumentParser(prog="python -m faults.mutations", description=__doc__)
    parser.add_argument("--jobs", type=int, default=40, help="jobs of each run")
    parser.add_argument("guards", nargs="*", metavar="GUARD", help="all, unless some are named")
    asked = parser.parse_args(arguments)
    jobs = asked.jobs
    chosen = [each for each in MUTATIONS if not asked.guards or each.guard in asked.guards]
    whole = prove_sound(chosen, jobs=jobs)
    for fault, verdict in whole.items():
        if not verdict.passed:
            print(f"{fault} fails though nothing is switched off:\n{verdict.said}")
            return 1
    verdicts = switch_off(chosen, jobs=jobs)
    print(table([(mutation, verdicts[mutation.guard]) for mutation in chosen]))
    return 0 if all(verdict.passed for verdict in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
