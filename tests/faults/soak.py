"""Soak test (F35): run 20,000 jobs and check that no process's resource usage grows.

Run from the folder `tests`:

    python -m faults.soak --jobs 20000 --plot soak.svg

Runs the API, a stub worker and Valkey as real processes and submits images over HTTP. Samples
resident memory, file descriptors and threads, fits a line to each after the warm-up, and compares
its rise with a limit. Finished jobs are retained for one minute only, so that Valkey's memory
levels off too. Exits with 1 when anything grew beyond its limit or a job did not succeed.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np
import psutil

from faults.sample_images import IMAGES
from faults.soak_plot import plot
from faults.submitter import UNCACHED_REQUEST
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.schemas.job import JobState
from seewhy.settings import load
from servers.process_cluster import ProcessCluster, start_cluster
from servers.valkey import start_valkey
from servers.waiting import wait_until

WARM_UP = 0.4
"""The share of jobs before the fit: pools fill, and the first jobs reach their retention."""
RETENTION_S = 60
MAX_OPEN_JOBS = 200
"""How many jobs may be queued or running; a growing backlog would look like a leak."""
MAX_GROWTH = {"memory_mb": 8.0, "descriptors": 8.0, "threads": 8.0}
"""The accepted growth of each measure from the warm-up to the end."""
UNITS = {"memory_mb": "MB", "descriptors": "", "threads": ""}


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """The resource usage of one process at one moment."""

    done: int
    """Jobs that have ended so far."""
    memory_mb: float
    """Resident memory."""
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Growth:
    """The rise of one measure of one process from the warm-up to the end, by a linear fit."""

    process: str
    measure: str
    increase: float

    @property
    def is_flat(self) -> bool:
        """Whether the rise is within its limit."""
        return self.increase <= MAX_GROWTH[self.measure]

    def __str__(self) -> str:
        verdict = "flat" if self.is_flat else f"GROWS by more than {MAX_GROWTH[self.measure]:g}"
        unit = UNITS[self.measure]
        return f"{self.process:8} {self.measure:12} {self.increase:+8.2f} {unit:3} {verdict}"


def fit_growth(
    process: str, samples: Sequence[ProcessSample], *, warm_up: float = WARM_UP
) -> list[Growth]:
    """Fit a line to each measure after the warm-up. Raises `ValueError` with too few samples."""
    last = samples[-1].done
    fitted = [sample for sample in samples if sample.done >= warm_up * last]
    done = np.array([sample.done for sample in fitted], dtype=float)
    span = done[-1] - done[0]
    if span == 0:
        raise ValueError("too few jobs for a fit")
    return [
        Growth(process, measure, span * _slope(done, [getattr(s, measure) for s in fitted]))
        for measure in MAX_GROWTH
    ]


def _slope(done: "np.ndarray", values: Sequence[float]) -> float:
    return float(np.polyfit(done, np.array(values, dtype=float), 1)[0])


def sample_process(pid: int, *, done: int) -> ProcessSample:
    """Sample a process, or the sum of its children if it only supervises them."""
    process = psutil.Process(pid)
    measured = process.children() or [process]
    return ProcessSample(
        done=done,
        memory_mb=sum(each.memory_info().rss for each in measured) / 1e6,
        descriptors=sum(each.num_fds() for each in measured),
        threads=sum(each.num_threads() for each in measured),
    )


class ProcessSampler:
    """A thread that samples processes until it is stopped."""

    def __init__(self, pids: dict[str, int], ledger: RedisLedger, *, interval_s: float) -> None:
        """Sample processes by name → pid; `ledger` counts the jobs."""
        self.samples: dict[str, list[ProcessSample]] = {name: [] for name in pids}
        self._pids = pids
        self._ledger = ledger
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="process-sampler")

    def start(self) -> None:
        """Start sampling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling and take a final sample."""
        self._stopped.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        done = sum(self._ledger.counts().terminal.values())
        for name, pid in self._pids.items():
            self.samples[name].append(sample_process(pid, done=done))


@contextmanager
def start_service(directory: Path) -> Iterator[tuple[ProcessCluster, dict[str, int], RedisLedger]]:
    """Run Valkey, the API and a worker for the length of the block; also provide their pids."""
    with start_valkey(directory / "valkey") as server:
        settings = load(
            {},
            redis_url=server.url,
            store_url=f"file://{directory}/objects",
            default_model="efficientnet-lite0",
            api_port=free_port(),
            retention_s=RETENTION_S,
        )
        with start_cluster(settings, directory) as cluster:
            worker = cluster.start_stub_worker()
            api = cluster.start_api()
            wait_until(lambda: "ready." in cluster.read_log("worker"), what="the worker is ready")
            pids = {"API": api.pid, "worker": worker.pid, "Valkey": server.pid}
            yield cluster, pids, open_ledger(settings)


def submit(url: str, jobs: int, ledger: RedisLedger, *, threads: int = 4) -> None:
    """Submit `jobs` jobs, with at most `MAX_OPEN_JOBS` open at once."""
    free_slots = threading.BoundedSemaphore(MAX_OPEN_JOBS)

    def submit_one(number: int) -> None:
        free_slots.acquire()
        response = client.post(
            f"{url}/v1/explanations",
            files={"image": IMAGES[number % len(IMAGES)]},
            data={"request": UNCACHED_REQUEST},
            headers={"Idempotency-Key": f"soak-{number}"},
        )
        assert response.status_code == 202, response.text

    with httpx2.Client(timeout=30) as client, ThreadPoolExecutor(threads) as pool:
        submissions = [pool.submit(submit_one, number) for number in range(jobs)]
        released = 0
        while not all(future.done() for future in submissions):
            ended = sum(ledger.counts().terminal.values())
            for _ in range(ended - released):
                free_slots.release()
            released = ended
            time.sleep(0.05)
        for future in submissions:
            future.result()


def soak(jobs: int, *, interval_s: float = 1.0) -> dict[str, list[ProcessSample]]:
    """Run `jobs` jobs; return samples by process. Raises `AssertionError` unless all succeed."""
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        start_service(Path(folder)) as (cluster, pids, ledger),
    ):
        sampler = ProcessSampler(pids, ledger, interval_s=interval_s)
        sampler.start()
        try:
            submit(cluster.url, jobs, ledger)
            wait_until(lambda: ledger.counts().non_terminal == 0, what="every job has ended")
        finally:
            sampler.stop()
        counts = ledger.counts()
    assert (counts.terminal, counts.drift) == ({JobState.SUCCEEDED: jobs}, 0), counts
    return sampler.samples


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, fit and plot."""
    parser = argparse.ArgumentParser(
        prog="python -m faults.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--jobs", type=int, default=20_000, help="number of jobs")
    parser.add_argument("--plot", type=Path, help="write a plot to this SVG file")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    samples = soak(options.jobs)
    print(f"{options.jobs} jobs in {time.monotonic() - started:.0f} s")
    growths = [growth for name, seen in samples.items() for growth in fit_growth(name, seen)]
    for growth in growths:
        print(growth)
    if options.plot:
        plot(samples, options.plot, warm_up=WARM_UP)
    return 0 if all(growth.is_flat for growth in growths) else 1


if __name__ == "__main__":
    sys.exit(main())
