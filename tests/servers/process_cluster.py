"""The service as real processes on one machine: one API, any number of workers and dispatchers."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from seewhy.embedded.environment import as_environment
from seewhy.embedded.parent_guard import guarded
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import Settings, load
from servers.valkey import RedisServer
from servers.waiting import wait_until

MODEL = "efficientnet-lite0"

Process = subprocess.Popen[bytes]

_served_urls: set[str] = set()
"""The servers of the APIs of `running_api`."""


class ProcessCluster:
    """Starts and kills processes that share one set of settings."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        """Write logs and fault counters to `directory`."""
        self.settings = settings
        self.directory = directory
        self.processes: list[Process] = []

    @property
    def url(self) -> str:
        """The API's base URL."""
        return f"http://{self.settings.api_host}:{self.settings.api_port}"

    @property
    def counters(self) -> Path:
        """The folder of the fault counters of these processes."""
        return self.directory / "counters"

    def start_api(self) -> Process:
        """Start the API and return when it is ready."""
        process = self._start("api", ["-m", "seewhy_api"])
        wait_until(self.is_ready, what="the API is ready")
        return process

    def start_faulty_api(self) -> Process:
        """Start the API of `servers.faulty_api` and return when it is ready."""
        process = self._start("api", ["-m", "servers.faulty_api", str(self.counters)])
        wait_until(self.is_ready, what="the API is ready")
        return process

    def start_worker(self) -> Process:
        """Start a worker with real models."""
        return self._start("worker", ["-m", "seewhy_worker"])

    def start_stub_worker(
        self, *, batch_ms: float = 0, pass_ms: float = 0, load_ms: float = 0, model_bytes: int = 0
    ) -> Process:
        """Start a worker with the stub explainer."""
        times = ["--batch-ms", str(batch_ms), "--pass-ms", str(pass_ms), "--load-ms", str(load_ms)]
        size = ["--model-bytes", str(model_bytes)]
        return self._start("worker", ["-m", "seewhy_worker.stub", *times, *size])

    def start_simulated_worker(self, *, batch_ms: float, image_ms: float) -> Process:
        """Start a worker with a simulated device."""
        times = ["--batch-ms", str(batch_ms), "--image-ms", str(image_ms)]
        return self._start("worker", ["-m", "seewhy_worker.simulated", *times])

    def start_faulty_worker(self, fault: str, *, batch_ms: float = 0) -> Process:
        """Start a worker of `servers.faulty_worker`."""
        arguments = [fault, str(self.counters), str(batch_ms)]
        return self._start("worker", ["-m", "servers.faulty_worker", *arguments])

    def start_skewed_worker(self, skew_s: float, *, batch_ms: float = 0) -> Process:
        """Start a worker with a skewed clock. Poison images affect it."""
        module = ["servers.faulty_worker", "none", str(self.counters), str(batch_ms)]
        return self._start("worker", ["-m", "servers.clock_skew", str(skew_s), *module])

    def start_dispatcher(self) -> Process:
        """Start a webhook dispatcher."""
        return self._start("dispatcher", ["-m", "seewhy_api.webhooks"])

    def start_fast_dispatcher(self) -> Process:
        """Start the dispatcher of `servers.fast_dispatcher`, which has short retry delays."""
        return self._start("dispatcher", ["-m", "servers.fast_dispatcher"])

    def is_ready(self) -> bool:
        """Whether the API answers `/readyz` with 200."""
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    def stop(self) -> None:
        """Kill all running processes."""
        for process in self.processes:
            if process.poll() is None:
                kill_tree(process)

    def read_log(self, name: str) -> str:
        """Return the output of all processes called `api`, `worker` or `dispatcher`."""
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def metrics_ports(self, name: str) -> list[int]:
        """Return where the processes called `name` say that they serve metrics."""
        ports = re.findall(r"Serving metrics on http://127.0.0.1:(\d+)/", self.read_log(name))
        return [int(port) for port in ports]

    def _start(self, name: str, arguments: Sequence[str]) -> Process:
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                guarded([sys.executable, *arguments]),
                env=as_environment(self.settings) | _python_path(),
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process


def kill_tree(process: Process) -> None:
    """Send SIGKILL to a process and its descendants: gunicorn's workers outlive it by seconds."""
    descendants = []
    with suppress(psutil.NoSuchProcess):  # it has exited already
        descendants = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait(timeout=10)
    for descendant in descendants:
        with suppress(psutil.NoSuchProcess):
            descendant.kill()
    psutil.wait_procs(descendants)


def _python_path() -> dict[str, str]:
    """Let child processes import this process's code, installed or not, and the tests' modules."""
    paths = (os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[1]))
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


@contextmanager
def start_cluster(settings: Settings, directory: Path) -> Iterator[ProcessCluster]:
    """Provide a cluster for the length of the block, then kill its processes."""
    cluster = ProcessCluster(settings, directory)
    try:
        yield cluster
    finally:
        cluster.stop()


def monitored_settings(valkey: RedisServer, directory: Path) -> Settings:
    """Return settings with which every kind of process serves metrics, of two API processes."""
    return load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{directory}/objects",
        default_model=MODEL,
        api_port=free_port(),
        api_processes=2,
        api_metrics_port=free_port(),
        worker_metrics_port=free_port(),
        webhook_secrets="whsec_" + "A" * 44,
        webhook_allowed_networks="127.0.0.0/8",
        dispatcher_metrics_port=free_port(),
    )


def has_epoch(settings: Settings) -> bool:
    """Whether the ledger has an epoch: an API has started, or has restored, all of it."""
    return open_ledger(settings).epoch_marker().epoch is not None


@contextmanager
def running_api(valkey: RedisServer, directory: Path, **changes: Any) -> Iterator[ProcessCluster]:
    """Provide an API over an empty Valkey and an empty local store; `changes` are settings."""
    with valkey.client() as client:
        client.flushdb()
    settings = load(
        {},
        redis_url=valkey.url,
        store_url=f"file://{directory}/objects",
        api_port=free_port(),
        **{"default_model": MODEL, **changes},
    )
    # The second API would find the epoch of the first, rebuild the ledger from its own store, and
    # answer 503 until it has; then the first one would, in turn.
    assert valkey.url not in _served_urls, "another API with another store uses this server"
    _served_urls.add(valkey.url)
    try:
        with start_cluster(settings, directory) as cluster:
            cluster.start_api()
            # A process that is killed before that leads the recovery for another minute.
            wait_until(lambda: has_epoch(settings), what="the epoch is set")
            yield cluster
    finally:
        _served_urls.remove(valkey.url)
