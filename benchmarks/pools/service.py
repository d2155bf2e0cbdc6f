"""A service with simulated workers, as processes of this machine, and its processor time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.settings import load
from servers.process_cluster import MODEL, Process, ProcessCluster, start_cluster
from servers.proxy import FaultProxy
from servers.stores import start_store
from servers.valkey import RedisServer, start_valkey
from servers.waiting import wait_until

CORES = 1.4
"""The processor time that an experiment may take for each second.

Above it, it measures this machine instead of the pool."""
SERVED_CPU_MS = 14.0
"""An upper estimate of the processor time of a job, of its submission and of the sender."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The times of a simulated device."""

    batch_ms: float = 80
    image_ms: float = 40
    max_batch: int = 8

    @property
    def images_per_s(self) -> float:
        """What one device explains in full batches."""
        return 1000 * self.max_batch / (self.batch_ms + self.image_ms * self.max_batch)


@dataclass(kw_only=True)
class Pool:
    """A running API with its ledger, and the workers so far."""

    profile: Profile
    cluster: ProcessCluster
    ledger: RedisLedger
    api: Process
    server: RedisServer
    store_proxy: FaultProxy | None
    """The way to S3; None where the store is a folder."""
    workers: list[Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return self.cluster.url

    def start_workers(self, count: int) -> None:
        """Start workers and return when they are registered."""
        for _ in range(count):
            self.launch_worker()
        wanted = len(self.alive())
        wait_until(lambda: len(self.ledger.workers.list_workers()) >= wanted, what="the workers")

    def launch_worker(self) -> None:
        """Start a worker and return at once."""
        times = {"batch_ms": self.profile.batch_ms, "image_ms": self.profile.image_ms}
        self.workers.append(self.cluster.start_simulated_worker(**times))

    def alive(self) -> list[Process]:
        """Return the workers that run, the oldest first."""
        return [worker for worker in self.workers if worker.poll() is None]

    def suspended(self, *, is_suspended: bool) -> None:
        """Suspend or resume all workers."""
        for worker in self.alive():
            process = psutil.Process(worker.pid)
            process.suspend() if is_suspended else process.resume()

    def cpu_s(self) -> dict[str, float]:
        """Return the processor time of the running processes so far, by role."""
        pids = {"API": [self.api.pid], "Valkey": [self.server.pid]}
        pids["workers"] = [worker.pid for worker in self.alive()]
        return {role: sum(map(_cpu_s, of_role)) for role, of_role in pids.items()}

    def open_jobs(self) -> int:
        """Return how many jobs have no outcome."""
        return self.ledger.counts().non_terminal

    def await_end(self, limit_s: float = 600) -> None:
        """Return when every job has an outcome."""
        wait_until(lambda: self.open_jobs() == 0, what="every job has ended", limit_s=limit_s)


@contextmanager
def running(profile: Profile, *, on_s3: bool = False, **changes: Any) -> Iterator[Pool]:
    """Run Valkey and an API over a folder or S3, without workers; `changes` are settings."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="pools-")))
        server = stack.enter_context(start_valkey(directory / "valkey"))
        store, proxy = stack.enter_context(start_store(directory, on_s3=on_s3))
        if proxy is not None:
            changes["s3_endpoint"] = f"http://127.0.0.1:{proxy.port}"
        settings = load(
            {},
            redis_url=server.url,
            default_model=MODEL,
            max_batch=profile.max_batch,
            api_port=free_port(),
            queue_limit=1_000_000,
            tenant_queue_limit=1_000_000,
            **(store | changes),
        )
        cluster = stack.enter_context(start_cluster(settings, directory))
        api = cluster.start_api()
        ledger = open_ledger(settings)
        yield Pool(
            profile=profile,
            cluster=cluster,
            ledger=ledger,
            api=api,
            server=server,
            store_proxy=proxy,
        )


def require_cores(*, jobs_per_s: float, cpu_ms: float) -> None:
    """Exit with a message if this rate takes more of the processor than an experiment may."""
    cores = jobs_per_s * cpu_ms / 1000
    if cores > CORES:
        raise SystemExit(
            f"{jobs_per_s:.0f} jobs/s at {cpu_ms:.1f} ms each take {cores:.2f} cores, more than "
            f"{CORES}: choose a slower device (--image-ms)"
        )


def _cpu_s(pid: int) -> float:
    process = psutil.Process(pid)
    clocks = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(clock.user + clock.system for clock in clocks)
