"""How long a worker takes to load a model, and `seewhy explain` to explain a photo.

With a bundle and without, in turns, each in a process of its own, with a warm page cache. The first
start of a model, which writes its bundle, is not counted. Prints Markdown.

    PYTHONPATH=tests python benchmarks/start_up.py --rounds 5
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from random_vgg16 import MODEL, write_catalog

PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "cat.jpg"
_LOAD = (
    "from seewhy.settings import load; from seewhy_worker.model_loader import CatalogModels; "
    "CatalogModels(load()).load({name!r})"
)


@dataclass(frozen=True)
class Run:
    """What one process took."""

    wall_s: float
    processor_s: float
    """Its own and that of its children."""
    memory_mb: float
    """The largest resident memory of the process."""


def run(command: list[str], environment: dict[str, str]) -> Run:
    """Run a command to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started_s = time.perf_counter()
    with subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - started_s
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall_s, processor_s, usage.ru_maxrss / 1000)


def report(name: str, runs: dict[str, list[Run]]) -> None:
    """Print a row for each way to start."""
    for way, ours in runs.items():
        wall, processor = [one.wall_s for one in ours], [one.processor_s for one in ours]
        print(
            f"| {name}, {way} | {statistics.median(wall):.1f} s ({min(wall):.1f} to "
            f"{max(wall):.1f}) | {statistics.median(processor):.1f} s "
            f"| {statistics.median(one.memory_mb for one in ours):.0f} MB |",
            flush=True,
        )


def compare(name: str, command: list[str], common: dict[str, str], rounds: int) -> None:
    """Run a command with bundles and without, in turns."""
    ways = {
        "from a bundle": common,
        "without bundles": common | {"SEEWHY_BUNDLES": "false"},
    }
    run(command, common)
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, environment in ways.items():
            runs[way].append(run(command, environment))
    report(name, runs)


def main() -> None:
    """Compare the starts of two models, and `seewhy explain`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| start | median wall time | processor time | memory |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        models_file = write_catalog(Path(folder))
        common = {
            "SEEWHY_BUNDLE_DIR": f"{folder}/bundles",
            "SEEWHY_MODELS_FILE": str(models_file),
        }
        for name in ("efficientnet-lite0", MODEL):
            load = [sys.executable, "-c", _LOAD.format(name=name)]
            compare(f"loading {name}", load, common, rounds)
        photo = Path(folder) / PHOTO.name
        photo.write_bytes(PHOTO.read_bytes())
        explain = [sys.executable, "-m", "seewhy.cli", "explain", str(photo)]
        explain += ["--model", "efficientnet-lite0"]
        compare("`seewhy explain` of one photo", explain, common, rounds)


if __name__ == "__main__":
    main()
