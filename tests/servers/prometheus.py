"""A Prometheus that scrapes processes on this machine, with the alerts of infra/prometheus."""

import math
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml

from seewhy.embedded.tcp_ports import free_port
from servers.waiting import wait_until

CONFIGURATION = Path(__file__).parents[2] / "infra" / "prometheus" / "prometheus.yml"
SCRAPE_INTERVAL_S = 1


class PrometheusError(Exception):
    """Prometheus refused a query."""


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        """Ask the server at `url`."""
        self._url = url

    def values(self, query: str) -> list[float]:
        """Return the current value of each series that is a number. Raises `PrometheusError`."""
        result = self.read("query", query=query)["result"]
        values = (float(series["value"][1]) for series in result)
        return [value for value in values if not math.isnan(value)]

    def read(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of the API. Raises `PrometheusError`."""
        answer = httpx2.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=30).json()
        if answer["status"] != "success":
            raise PrometheusError(f"{answer['error']} in {parameters}")
        return answer["data"]

    def is_ready(self) -> bool:
        """Whether it answers queries."""
        try:
            return httpx2.get(f"{self._url}/-/ready", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False


def configuration(ports: Mapping[str, Sequence[int]]) -> str:
    """Return infra/prometheus/prometheus.yml for processes at these ports, by job."""
    document = yaml.safe_load(CONFIGURATION.read_text("utf-8"))
    every = f"{SCRAPE_INTERVAL_S}s"
    document["global"] = {"scrape_interval": every, "evaluation_interval": every}
    document["rule_files"] = [str(CONFIGURATION.parent / name) for name in document["rule_files"]]
    jobs = [job["job_name"] for job in document["scrape_configs"]]
    document["scrape_configs"] = [
        {
            "job_name": job,
            "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports[job]]}],
        }
        for job in jobs
    ]
    return yaml.safe_dump(document)


@contextmanager
def start_prometheus(
    binary: str, directory: Path, ports: Mapping[str, Sequence[int]]
) -> Iterator[Prometheus]:
    """Provide a Prometheus for the length of the block; its data and log are in `directory`."""
    file = directory / "prometheus.yml"
    file.write_text(configuration(ports))
    address = f"127.0.0.1:{free_port()}"
    command = [
        binary,
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        prometheus = Prometheus(f"http://{address}")
        wait_until(prometheus.is_ready, what="Prometheus is ready")
        yield prometheus
    finally:
        process.kill()
        process.wait()
