"""A whole house of real processes on one machine: the API, any number of workers, killed by pid."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psutil

from seewhy.embedded.environment import as_environment
from seewhy.embedded.parent_guard import guarded
from seewhy.settings import Settings
from servers.waiting import wait_until

Process = subprocess.Popen[bytes]


class House:
    """Starts and ends processes of one set of settings."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings = settings
        self.directory = directory
        self.children: list[Process] = []

    @property
    def url(self) -> str:
        return f"http://{self.settings.api_host}:{self.settings.api_port}"

    def start_api(self) -> Process:
        child = self._start("api", ["-m", "seewhy_api"])
        wait_until(self.ready, what="the API is ready")
        return child

    def start_stub_worker(self, *, batch_ms: float = 0) -> Process:
        return self._start("worker", ["-m", "seewhy_worker.stub", "--batch-ms", str(batch_ms)])

    def start_worker(self) -> Process:
        return self._start("worker", ["-m", "seewhy_worker"])

    def start_courier(self) -> Process:
        return self._start("courier", ["-m", "seewhy_api.webhooks"])

    def start_hasty_courier(self) -> Process:
        """Start one of `servers.hasty_courier`."""
        return self._start("courier", ["-m", "servers.hasty_courier"])

    def start_faulty_worker(self, fault: str, *, batch_ms: float = 0) -> Process:
        """Start one of `servers.faulty_worker`."""
        arguments = [fault, str(self.marks), str(batch_ms)]
        return self._start("worker", ["-m", "servers.faulty_worker", *arguments])

    def start_skewed_worker(self, skew_s: float, *, batch_ms: float = 0) -> Process:
        """Start a worker whose clock is wrong, and which poison kills."""
        module = ["servers.faulty_worker", "none", str(self.marks), str(batch_ms)]
        return self._start("worker", ["-m", "servers.skewed", str(skew_s), *module])

    def start_faulty_api(self) -> Process:
        """Start the API of `servers.faulty_api`."""
        child = self._start("api", ["-m", "servers.faulty_api", str(self.marks)])
        wait_until(self.ready, what="the API is ready")
        return child

    @property
    def marks(self) -> Path:
        """Where the faults of this house's processes are counted."""
        return self.directory / "marks"

    def ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    def stop(self) -> None:
        for child in self.children:
            if child.poll() is None:
                kill(child)

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, arguments: Sequence[str]) -> Process:
        with (self.directory / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                guarded([sys.executable, *arguments]),
                env=as_environment(self.settings) | _where_the_code_is(),
                stdout=log,
                stderr=log,
            )
        self.children.append(child)
        return child


def kill(process: Process) -> None:
    """SIGKILL to a process and to those that work for it: gunicorn's outlive it by seconds."""
    family = []
    with suppress(psutil.NoSuchProcess):  # it is dead already
        family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait(timeout=10)
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(family)


def _where_the_code_is() -> dict[str, str]:
    """Let children run the code that this process runs, installed or not, and the tests' own."""
    paths = (os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[1]))
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


@contextmanager
def house(settings: Settings, directory: Path) -> Iterator[House]:
    """Run a house for the length of a block, and leave no process behind."""
    building = House(settings, directory)
    try:
        yield building
    finally:
        building.stop()
