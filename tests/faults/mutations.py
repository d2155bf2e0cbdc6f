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

HERE = Path(__file__).parents[1]
PARTS = ("core", "api", "worker")
PATIENCE_S = 15.0
LIMIT_S = 120.0
AT_ONCE = 2


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One guard, how to switch it off, and what has to be said then of which fault."""

    guard: str
    file: str
    old: str
    new: str
    fault: str
    seen: str
    """A regular expression for the judge's or the scenario's own words."""


LUA = "core/seewhy/ledger/lua"
MUTATIONS = (
    Mutation(
        guard="the sweep",
        file="api/seewhy_api/sweeper.py",
        old="self.recover, self.sweep, self.file,",
        new="self.recover, self.file,",
        fault="F21",
        seen=r"lost: \S+ still running",
    ),
    Mutation(
        guard="jobs at work stay due",
        file=f"{LUA}/claim.lua",
        old="redis.call('ZADD', DUE, now + policy.lease_ms, id)",
        new="redis.call('ZREM', DUE, id)",
        fault="F17",
        seen=r"I1: not in seewhy:due",
    ),
    Mutation(
        guard="the fence",
        file=f"{LUA}/complete.lua",
        old="and field(id, 'fence') == ARGV[n + 1] then",
        new="then",
        fault="F22",
        seen=r"finished by a claim that was lost",
    ),
    Mutation(
        guard="the renewal of leases",
        file="worker/seewhy_worker/leases.py",
        old="if not claims:",
        new="if True:",
        fault="F23",
        seen=r"a lease ran out under a living worker",
    ),
    Mutation(
        guard="the charge for an attempt",
        file=f"{LUA}/claim.lua",
        old="redis.call('HINCRBY', job_key(id), 'attempts', 1)",
        new="0",
        fault="F6",
        seen=r"4 workers died: \[-9, -9, -9, -9\]",
    ),
    Mutation(
        guard="the manifest",
        file="core/seewhy/promising.py",
        old="self._store.put(key, manifest.model_dump_json().encode()",
        new="(lambda *_, **__: None)(key, b''",
        fault="F25",
        seen=r"lost: \S+ unknown to the ledger",
    ),
    Mutation(
        guard="the idempotency key",
        file="api/seewhy_api/acceptance.py",
        old="IdempotencyKey(key, order.digest, tenant) if key else None",
        new="None",
        fault="F17",
        seen=r"one key, two jobs",
    ),
    Mutation(
        guard="the turns of tenants",
        file=f"{LUA}/queues.lua",
        old="redis.call('ZINCRBY', turns_key(lane), 1, tenant)",
        new="",
        fault="F34",
        seen=r"jobs went before one",
    ),
)


@dataclass(frozen=True)
class Verdict:
    """What came of one run on a copy."""

    passed: bool
    said: str


class Unmutable(Exception):
    """The text to be replaced is not there, or not once: the mutation has to be written anew."""


def mutate(copy: Path, mutation: Mutation) -> None:
    """Switch the guard off in a copy of the code. Raises `Unmutable`."""
    path = copy / mutation.file
    text = path.read_text("utf-8")
    if (times := text.count(mutation.old)) != 1:
        raise Unmutable(f"{mutation.file} holds {mutation.old!r} {times} times, not once")
    path.write_text(text.replace(mutation.old, mutation.new), "utf-8")


@contextmanager
def copied(mutation: Mutation | None = None) -> Iterator[Path]:
    """Make a copy of the product's code, mutated or not, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder)
        for part in PARTS:
            shutil.copytree(HERE.parent / part, copy / part)
        (copy / "models").symlink_to(HERE.parent / "models")
        if mutation is not None:
            mutate(copy, mutation)
        yield copy


def stage(fault: str, copy: Path, *, jobs: int) -> Verdict:
    """Stage a fault against a copy, in a process of its own."""
    paths = os.pathsep.join(str(copy / part) for part in (*PARTS, "models"))
    asked = ["--seeds", "1", "--jobs", str(jobs), "--patience", str(PATIENCE_S), fault]
    run = subprocess.run(
        [sys.executable, "-m", "faults.run", *asked],
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


def sound(fault: str, *, jobs: int) -> Verdict:
    """Stage a fault against a copy as it is."""
    with copied() as copy:
        return stage(fault, copy, jobs=jobs)


def bitten(mutation: Mutation, *, jobs: int) -> Verdict:
    """Stage a mutation's fault; passed is the verdict only when its own words were said."""
    with copied(mutation) as copy:
        verdict = stage(mutation.fault, copy, jobs=jobs)
    said = re.search(mutation.seen, verdict.said)
    told = said[0] if said else f"not what was expected:\n{verdict.said}"
    return Verdict(not verdict.passed and said is not None, told)


def prove_sound(*, jobs: int) -> dict[str, Verdict]:
    """Stage every fault that a mutation needs, on copies as they are."""
    faults = sorted({mutation.fault for mutation in MUTATIONS})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(faults, pool.map(lambda each: sound(each, jobs=jobs), faults), strict=True))


def switch_off(*, jobs: int) -> dict[str, Verdict]:
    """Switch off every guard, each in a copy of its own."""
    guards = [mutation.guard for mutation in MUTATIONS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = pool.map(lambda each: bitten(each, jobs=jobs), MUTATIONS)
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
    jobs = parser.parse_args(arguments).jobs
    whole = prove_sound(jobs=jobs)
    for fault, verdict in whole.items():
        if not verdict.passed:
            print(f"{fault} fails though nothing is switched off:\n{verdict.said}")
            return 1
    verdicts = switch_off(jobs=jobs)
    print(table([(mutation, verdicts[mutation.guard]) for mutation in MUTATIONS]))
    return 0 if all(verdict.passed for verdict in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
