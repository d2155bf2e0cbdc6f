"""Latency of the API under concurrent clients: submissions, polls, overlays and drawings.

    PYTHONPATH=tests python benchmarks/latency.py --clients 50 --seconds 20

Starts Valkey, an API process and a stub worker, and lets clients in a process of their own repeat
a submission, a poll, the overlay that the worker has stored, and one that the API must draw. A
client that is told to retry does so, and the wait counts. Prints p50, p95 and p99 in ms, each also
divided by the median of a lone client, which makes machines comparable, and the processor time that
the API takes per request.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import psutil

from images import encoded, gradient
from seewhy.embedded.tcp_ports import free_port
from seewhy.settings import load
from servers.process_cluster import start_cluster
from servers.valkey import start_valkey
from servers.waiting import wait_until

OPERATIONS = ("submit", "status", "overlay", "drawing")
Times = dict[str, list[float]]
"""The duration of each request in ms, by operation."""


class Clients:
    """The clients of a service, over as many connections."""

    def __init__(self, connections: httpx2.AsyncClient, *, seconds: float) -> None:
        """Send requests for `seconds`, counted from now."""
        self.times: Times = defaultdict(list)
        self._connections = connections
        self._image = encoded(gradient(640, 427), "JPEG")
        self._ends_at = time.perf_counter() + seconds

    async def run(self, number: int) -> None:
        """Be one client. Raises `httpx2.HTTPStatusError` when a request is refused for good."""
        count = 0
        while time.perf_counter() < self._ends_at:
            count += 1
            request = {"cache": False, "metadata": {"client": number}}
            submission: dict[str, Any] = {
                "files": {"image": self._image},
                "data": {"request": json.dumps(request)},
            }
            body = await self._send("submit", "POST", "/v1/explanations", **submission)
            path = f"/v1/explanations/{json.loads(body)['id']}"
            await self._connections.get(path, params={"wait": 30})
            await self._send("status", "GET", path)
            await self._send("overlay", "GET", f"{path}/overlay")
            alpha = 0.5 + count % 40 / 100
            await self._send("drawing", "GET", f"{path}/overlay?alpha={alpha}")

    async def _send(self, name: str, method: str, path: str, **options: Any) -> bytes:
        started = time.perf_counter()
        response = await self._connections.request(method, path, **options)
        while response.status_code == 503:
            await asyncio.sleep(float(response.headers["Retry-After"]))
            response = await self._connections.request(method, path, **options)
        response.raise_for_status()
        self.times[name].append((time.perf_counter() - started) * 1000)
        return response.content


async def use(url: str, *, clients: int, seconds: float) -> Times:
    """Return how long the requests of all clients took."""
    limits = httpx2.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as connections:
        everybody = Clients(connections, seconds=seconds)
        await asyncio.gather(*(everybody.run(number) for number in range(clients)))
    return everybody.times


def measure(url: str, api_pid: int, *, clients: int, seconds: float) -> tuple[Times, float]:
    """Return the times, and the processor time of the API in ms per request."""
    command = [sys.executable, __file__, "--url", url]
    command += ["--clients", str(clients), "--seconds", str(seconds)]
    before_s = cpu_s(api_pid)
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    used_s = cpu_s(api_pid) - before_s
    times: Times = json.loads(output)
    requests = sum(map(len, times.values())) + len(times["submit"])  # each job is awaited, too
    return times, 1000 * used_s / requests


def cpu_s(pid: int) -> float:
    """Return the processor time of a process and its children, in seconds."""
    process = psutil.Process(pid)
    clocks = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(clock.user + clock.system for clock in clocks))


def table(times: Times, alone: Times) -> str:
    """Format one line per operation, in Markdown."""
    lines = [
        "| operation | requests | p50 / p95 / p99 ms | ÷ p50 of a lone client |",
        "|---|---|---|---|",
    ]
    for name in OPERATIONS:
        cuts = statistics.quantiles(times[name], n=100, method="inclusive")
        found, base = (cuts[49], cuts[94], cuts[98]), statistics.median(alone[name])
        ms = " / ".join(f"{value:.1f}" for value in found)
        ratios = " / ".join(f"{value / base:.1f}" for value in found)
        lines.append(f"| {name} | {len(times[name])} | {ms} | {ratios} |")
    return "\n".join(lines)


def main() -> None:
    """Measure a lone client, then many; with `--url`, be the clients of a service."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.url:
        used = use(options.url, clients=options.clients, seconds=options.seconds)
        print(json.dumps(asyncio.run(used)))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="latency-")))
        redis = stack.enter_context(start_valkey(folder / "valkey"))
        store_url = f"file://{folder}/objects"
        settings = load({}, redis_url=redis.url, api_port=free_port(), store_url=store_url)
        cluster = stack.enter_context(start_cluster(settings, folder))
        cluster.start_stub_worker()
        url, pid = f"http://127.0.0.1:{settings.api_port}", cluster.start_api().pid
        wait_until(lambda: "ready." in cluster.read_log("worker"), what="the worker is ready")
        measure(url, pid, clients=2, seconds=3)  # fill caches and pools
        alone, alone_ms = measure(url, pid, clients=1, seconds=options.seconds / 2)
        times, cpu_ms = measure(url, pid, clients=options.clients, seconds=options.seconds)
    print(table(times, alone))
    print(f"\nAPI processor time per request: {cpu_ms:.1f} ms, of a lone client {alone_ms:.1f} ms")


if __name__ == "__main__":
    main()
