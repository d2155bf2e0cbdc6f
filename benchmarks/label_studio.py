"""How long the ML backend of Label Studio takes while the workers are saturated.

    PYTHONPATH=tests python benchmarks/label_studio.py

Starts Valkey, an API process, a stub worker and a stand-in for Label Studio that serves uploads.
Measures `/health`, `/setup` and `/predict` three times: with one editor and a free worker; with 16
editors, which ask for new images while the worker has a batch of 1,000 tasks; and once the worker
has stopped in the middle of its work, so that each new image waits as long as it may. Prints p50,
p95 and p99 in ms.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import psutil

from label_studio_page import block
from label_studio_pushes import noise
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import load
from servers.label_studio import FakeLabelStudio, label_studio
from servers.process_cluster import ProcessCluster, start_cluster
from servers.valkey import start_valkey
from servers.waiting import wait_until

PROJECT = "4.1795378037"
LARGE_BATCH = 1_000
BATCH_MS = 800
"""Of 8 images in the stub worker: a thousand take 100 s."""
EDITORS = 16
API_THREADS = 8 * (EDITORS + 1)
"""An eighth of them serves requests for predictions of one tenant."""
PAUSE_S = 0.05
"""Between the requests of the client that measures what is answered at once."""

Times = dict[str, list[float]]
"""The duration of each request in ms, by its name."""


class Clients:
    """What a Label Studio and its editors send. Each task has an image of its own."""

    def __init__(self, backend: httpx2.AsyncClient, studio: FakeLabelStudio) -> None:
        """Send requests to `backend`, which reads the uploads of `studio`."""
        self._backend = backend
        self._studio = studio
        self._numbers = count(1)

    def tasks(self, wanted: int) -> Iterator[dict[str, Any]]:
        """Yield tasks that are new."""
        for number in (next(self._numbers) for _ in range(wanted)):
            path = f"/data/upload/4/{number}.jpg"
            self._studio.uploads[path] = noise(number)
            yield {"id": number, "data": {"image": path}}

    async def health(self) -> None:
        """Ask whether the backend lives."""
        (await self._backend.get("/health")).raise_for_status()

    async def set_up(self) -> None:
        """Connect the project of the documentation."""
        body = {"project": PROJECT, "schema": block("xml"), "extra_params": block("json")}
        (await self._backend.post("/setup", json=body)).raise_for_status()

    async def predict(self, *tasks: dict[str, Any]) -> list[Any]:
        """Return the entries of the answer."""
        body = {"tasks": tasks, "project": PROJECT, "label_config": block("xml")}
        response = await self._backend.post("/predict", json=body)
        response.raise_for_status()
        assert not response.json()["errors"], response.text
        results: list[Any] = response.json()["results"]
        return results

    async def edit(self, task: dict[str, Any]) -> bool:
        """Ask as the editor does; return whether there are regions."""
        (entry,) = await self.predict({**task, "drafts": []})
        return bool(entry["result"])


async def measure(clients: Clients, known: dict[str, Any], *, requests: int, editors: int) -> Times:
    """Send `requests` of each kind: one client what is answered at once, editors new images."""
    times: Times = defaultdict(list)

    async def timed(name: str, request: Any) -> Any:
        started = time.perf_counter()
        answer = await request
        times[name].append((time.perf_counter() - started) * 1000)
        return answer

    async def ask_at_once() -> None:
        for _ in range(requests):
            await timed("/health", clients.health())
            await timed("/setup", clients.set_up())
            assert await timed("/predict, known image", clients.edit(known))
            await asyncio.sleep(PAUSE_S)

    async def ask_for_new() -> None:
        for task in clients.tasks(requests // editors + 1):
            await timed("/predict, new image", clients.edit(task))

    await asyncio.gather(ask_at_once(), *(ask_for_new() for _ in range(editors)))
    return times


def table(measured: dict[str, Times]) -> str:
    """Format the times in Markdown."""
    lines = [f"| p50 / p95 / p99 ms | {' | '.join(measured)} |", "|---" * (1 + len(measured)) + "|"]
    for name in next(iter(measured.values())):
        cells = []
        for times in measured.values():
            cuts = statistics.quantiles(times[name], n=100, method="inclusive")
            cells.append(" / ".join(f"{cuts[place]:,.1f}" for place in (49, 94, 98)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def compare(cluster: ProcessCluster, studio: FakeLabelStudio, requests: int) -> None:
    """Measure three times, and print the table."""
    measured: dict[str, Times] = {}

    async def add(column: str, *, editors: int) -> None:
        measured[column] = await measure(clients, known, requests=requests, editors=editors)

    ledger = open_ledger(cluster.settings)
    backend = httpx2.AsyncClient(base_url=f"{cluster.url}/label-studio", timeout=100)
    async with backend:
        clients = Clients(backend, studio)
        await clients.set_up()
        (known,) = clients.tasks(1)
        idle = cluster.start_stub_worker()
        while not await clients.edit(known):
            pass
        await add("a free worker", editors=1)
        idle.terminate()
        idle.wait()
        started = time.monotonic()
        await clients.predict(*clients.tasks(LARGE_BATCH))
        print(f"{LARGE_BATCH:,} tasks in one request: {time.monotonic() - started:.1f} s")
        worker = psutil.Process(cluster.start_stub_worker(batch_ms=BATCH_MS).pid)
        wait_until(lambda: ledger.counts().non_terminal < LARGE_BATCH, what="the worker is busy")
        await add("a saturated worker", editors=EDITORS)
        print(f"{ledger.counts().non_terminal:,} jobs are left")
        worker.suspend()
        await add("a stopped worker", editors=EDITORS)
        worker.resume()
    print(table(measured))


def main() -> None:
    """Run the service, and measure it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200, help="of each kind")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="label-studio-")))
        studio = stack.enter_context(label_studio())
        redis = stack.enter_context(start_valkey(folder / "valkey"))
        settings = load(
            {},
            redis_url=redis.url,
            store_url=f"file://{folder}/objects",
            default_model="efficientnet-lite0",
            api_port=free_port(),
            api_threads=API_THREADS,
            **studio.settings,
        )
        cluster = stack.enter_context(start_cluster(settings, folder))
        cluster.start_api()
        asyncio.run(compare(cluster, studio, options.requests))


if __name__ == "__main__":
    main()
