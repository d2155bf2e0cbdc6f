"""A whole house of real processes on one machine: the API, any number of workers, killed by pid."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2

from seewhy.processes.environment import as_environment
from seewhy.processes.guard import guarded
from seewhy.settings import Settings
from servers.waiting import wait_until


class House:
    """Starts and ends processes of one set of settings."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings = settings
        self.directory = directory
        self.children: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"http://{self.settings.api_host}:{self.settings.api_port}"

    def start_api(self) -> subprocess.Popen[bytes]:
        child = self._start("api", ["-m", "seewhy_api"])
        wait_until(self.ready, what="the API is ready")
        return child

    def start_stub_worker(self, *, batch_ms: float = 0) -> subprocess.Popen[bytes]:
        return self._start("worker", ["-m", "seewhy_worker.stub", "--batch-ms", str(batch_ms)])

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self._start("worker", ["-m", "seewhy_worker"])

    def ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    def stop(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait(timeout=10)

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                guarded([sys.executable, *arguments]),
                env=as_environment(self.settings) | _where_the_code_is(),
                stdout=log,
                stderr=log,
            )
        self.children.append(child)
        return child


def _where_the_code_is() -> dict[str, str]:
    """Let children run the same code as this process, where that is not what is installed."""
    path = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": path} if path else {}


@contextmanager
def house(settings: Settings, directory: Path) -> Iterator[House]:
    """Run a house for the length of a block, and leave no process behind."""
    building = House(settings, directory)
    try:
        yield building
    finally:
        building.stop()
