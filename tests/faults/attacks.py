"""Attack the service while honest clients use it, and measure what they notice.

Run from the folder `tests`:

    python -m faults.attacks --jobs 200 bombs streams

Prints for each attack how long an honest submission and a health check take meanwhile, the peak
memory of the API and the worker, and the checker's findings. Exits with 1 when a job was lost, an
honest client was refused or not answered, or a process used more memory than docs/limits.md
says.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from faults import attackers
from faults.checker import check
from faults.environment import Environment, start_environment
from faults.honest_client import HonestRequest, running_honest_client
from servers.process_cluster import Process
from servers.waiting import wait_until

MAX_API_MB = 920.0
MAX_WORKER_MB = 1300.0
"""The peaks that docs/limits.md publishes, for a worker with the stub explainer."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """An attack and the settings it needs. `start` runs it for the length of a block."""

    title: str
    start: Callable[[Environment], AbstractContextManager[None]]
    settings: Callable[[], dict[str, Any]] = dict


ATTACKS = {
    "none": Attack(title="no attack", start=lambda _: nullcontext()),
    "uploads": Attack(title="64 stalled uploads", start=attackers.stalled_uploads),
    "headers": Attack(title="500 partial headers", start=attackers.partial_headers),
    "idle": Attack(title="2,000 idle connections", start=attackers.idle_connections),
    "bombs": Attack(title="64 bombs of 100 MB, each drawn", start=attackers.decompression_bombs),
    "drawings": Attack(title="64 clients that draw", start=attackers.drawings),
    "fields": Attack(title="31 x 1.9 MB of unknown fields", start=attackers.unknown_fields),
    "tasks": Attack(
        title="64 clients that post 10 MB of tasks", start=attackers.label_studio_tasks
    ),
    "streams": Attack(
        title="256 event streams of one client",
        start=attackers.all_event_streams,
        settings=lambda: {"api_streams_per_client": 128},
    ),
    "images": Attack(
        title="64 clients that name images of a silent server",
        start=attackers.silent_image_server,
        settings=attackers.silent_server_settings,
    ),
    "tenants": Attack(title="30,000 waiting tenants", start=attackers.many_tenants),
}


@dataclass
class Observation:
    """What honest clients saw during an attack, and what the processes used."""

    requests: list[HonestRequest] = field(default_factory=list)
    """The honest client's."""
    api_peak_mb: float = 0.0
    worker_peak_mb: float = 0.0
    findings: str = ""
    clean: bool = False

    @property
    def refused(self) -> list[HonestRequest]:
        """The honest requests that were refused or not answered."""
        return [request for request in self.requests if request.status not in {200, 202}]

    def times_ms(self, kind: str) -> list[float]:
        """Return how long the honest requests of a kind took."""
        return [request.ms for request in self.requests if request.kind == kind]

    @property
    def passed(self) -> bool:
        """Whether nothing was lost or refused, and memory stayed below the published peaks."""
        small = self.api_peak_mb <= MAX_API_MB and self.worker_peak_mb <= MAX_WORKER_MB
        return self.clean and not self.refused and small


@contextmanager
def watching_memory(env: Environment, seen: Observation) -> Iterator[None]:
    """Note the peak resident memory of the serving process and of the worker."""
    stopped = threading.Event()

    def watch() -> None:
        while not stopped.wait(0.05):
            seen.api_peak_mb = max(seen.api_peak_mb, _resident_mb(env.api.processes[-1]))
            seen.worker_peak_mb = max(seen.worker_peak_mb, _resident_mb(env.workers[-1]))

    watcher = threading.Thread(target=watch, name="memory")
    watcher.start()
    try:
        yield
    finally:
        stopped.set()
        watcher.join()


def _resident_mb(process: Process) -> float:
    """Return the resident memory of a process, or of its children if it only supervises them."""
    try:
        parent = psutil.Process(process.pid)
        return sum(each.memory_info().rss for each in parent.children() or [parent]) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def run(attack: Attack, *, jobs: int, load_s: float, directory: Path) -> Observation:
    """Attack while `jobs` jobs are submitted over `load_s`; wait for all outcomes and check."""
    seen = Observation()
    with start_environment(
        directory, seed=1, jobs=jobs, load_s=load_s, **{"lease_s": 10.0, **attack.settings()}
    ) as env:
        env.workers.start(batch_ms=20)
        with (
            watching_memory(env, seen),
            attack.start(env),
            running_honest_client(env.api.url) as seen.requests,
        ):
            env.submitter.run()
        for request in seen.requests:
            if request.kind == "submit":
                env.submitter.log_accepted(request.id, request.key)
        wait_until(
            lambda: env.ledger.counts().non_terminal == 0, what="every job has ended", limit_s=180
        )
        report = check(env.history([]))
        seen.findings, seen.clean = str(report), report.clean
    return seen


def table(rows: Sequence[tuple[str, Observation]]) -> str:
    """Format one line per attack, in Markdown."""
    lines = [
        "| attack | submit p50 / p95 / p99 ms | health p50 / p95 / p99 ms | refused | API MB "
        "| worker MB |",
        "|---|---|---|---|---|---|",
    ]
    for title, seen in rows:
        submit, health = (_percentiles(seen.times_ms(kind)) for kind in ("submit", "health"))
        lines.append(
            f"| {title} | {submit} | {health} | {len(seen.refused)} | {seen.api_peak_mb:.0f} | "
            f"{seen.worker_peak_mb:.0f} |"
        )
    return "\n".join(lines)


def _percentiles(times_ms: Sequence[float]) -> str:
    cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
    return f"{cuts[49]:.0f} / {cuts[94]:.0f} / {cuts[98]:.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the attacks named on the command line, all by default."""
    parser = argparse.ArgumentParser(
        prog="python -m faults.attacks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=", ".join(ATTACKS))
    parser.add_argument("--jobs", type=int, default=200, help="jobs submitted meanwhile")
    parser.add_argument("--load-s", type=float, default=20.0, help="seconds of load")
    options = parser.parse_args(arguments)
    unknown = set(options.attacks) - set(ATTACKS)
    if unknown:
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    logging.disable(logging.WARNING)
    rows = []
    for name in options.attacks or ATTACKS:
        with tempfile.TemporaryDirectory(prefix=f"attack-{name}-") as folder:
            attack = ATTACKS[name]
            seen = run(attack, jobs=options.jobs, load_s=options.load_s, directory=Path(folder))
        print(f"{name}: {seen.findings}", flush=True)
        rows.append((attack.title, seen))
    print(table(rows))
    return 0 if all(seen.passed for _, seen in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
