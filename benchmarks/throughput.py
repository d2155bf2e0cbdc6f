"""Throughput of the service without the model: jobs per second and CPU time per job.

Runs the API and a stub worker as processes with a real Valkey, submits 640 x 427 JPEGs over HTTP
from four threads and reads the CPU clocks of the processes. Prints one table.

    PYTHONPATH=tests python benchmarks/throughput.py --jobs 400
"""

import argparse
import http.client
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from PIL import Image
from rich.console import Console
from rich.table import Table

from images import encoded
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import load
from servers import s3
from servers.process_cluster import ProcessCluster, start_cluster
from servers.valkey import start_valkey
from servers.waiting import wait_until

PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "astronaut.jpg"
BOUNDARY = "seewhy-benchmark"


@dataclass(frozen=True)
class Measurement:
    """One run: jobs per second, and CPU time per job of each process with its children."""

    jobs_per_s: float
    api_ms: float
    worker_ms: float
    valkey_ms: float


def multipart_body(request: str) -> bytes:
    """Encode one 640 x 427 JPEG and the request as multipart/form-data."""
    image = encoded(Image.open(PHOTO).resize((640, 427)), "JPEG", subsampling=2)
    parts = [
        b'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' + image,
        b'Content-Disposition: form-data; name="request"\r\n\r\n' + request.encode(),
    ]
    delimiter = f"--{BOUNDARY}\r\n".encode()
    return b"".join(delimiter + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def submit(cluster: ProcessCluster, upload: bytes, count: int) -> None:
    """Submit `count` jobs over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", cluster.settings.api_port)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    for _ in range(count):
        connection.request("POST", "/v1/explanations", upload, headers)
        response = connection.getresponse()
        response.read()
        if response.status != 202:
            raise SystemExit(f"the API answered {response.status}")
    connection.close()


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and its children, in seconds."""
    process = psutil.Process(pid)
    clocks = [p.cpu_times() for p in (process, *process.children(recursive=True))]
    return sum(clock.user + clock.system for clock in clocks)


def measure(
    cluster: ProcessCluster, pids: tuple[int, int, int], upload: bytes, jobs: int, *, backlog: bool
) -> Measurement:
    """Submit `jobs` from four threads and wait until all have finished.

    With a backlog, the worker is paused until all jobs are queued, so that it runs full batches and
    the rate is that of the worker. Without, it runs small batches as the jobs arrive.
    """
    ledger = open_ledger(cluster.settings)
    worker = psutil.Process(pids[1])
    before = [cpu_s(pid) for pid in pids]
    if backlog:
        worker.suspend()
    started = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: submit(cluster, upload, jobs // 4), range(4)))
    if backlog:
        started = time.perf_counter()
        worker.resume()
    wait_until(lambda: ledger.counts().non_terminal == 0, what="all jobs finished", limit_s=600)
    elapsed_s = time.perf_counter() - started
    spent_ms = [1000 * (cpu_s(p) - b) / jobs for p, b in zip(pids, before, strict=True)]
    return Measurement(jobs / elapsed_s, *spent_ms)


@contextmanager
def running(store: str) -> Iterator[tuple[ProcessCluster, tuple[int, int, int]]]:
    """Run Valkey, the API and a worker over `directory` or `s3`."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(start_valkey(directory / "valkey"))
        where = {"store_url": f"file://{directory}/objects"}
        if store == "s3":
            service = stack.enter_context(s3.running())
            where = service.settings(service.new_bucket())
        settings = load({}, redis_url=server.url, api_port=free_port(), **where)
        cluster = stack.enter_context(start_cluster(settings, directory))
        worker = cluster.start_stub_worker()
        api = cluster.start_api()
        wait_until(lambda: "ready." in cluster.read_log("worker"), what="the worker is ready")
        yield cluster, (api.pid, worker.pid, server.pid)


def main() -> None:
    """Measure with and without an overlay, with and without a backlog."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", choices=["directory", "s3"], default="directory")
    arguments = parser.parse_args()
    columns = ("outputs", "jobs", "jobs/s", "API ms", "worker ms", "API + worker ms", "Valkey ms")
    table = Table(*columns, title=f"median of {arguments.rounds} rounds, store: {arguments.store}")
    with running(arguments.store) as (cluster, pids):
        for outputs, backlog in itertools.product(('["overlay"]', "[]"), (True, False)):
            upload = multipart_body(f'{{"outputs": {outputs}, "cache": false}}')
            rounds = [
                measure(cluster, pids, upload, arguments.jobs, backlog=backlog)
                for _ in range(arguments.rounds)
            ]
            rows = [
                (f.jobs_per_s, f.api_ms, f.worker_ms, f.api_ms + f.worker_ms, f.valkey_ms)
                for f in rounds
            ]
            medians = [statistics.median(column) for column in zip(*rows, strict=True)]
            kind = "backlog" if backlog else "as submitted"
            table.add_row(outputs, kind, *(f"{figure:.1f}" for figure in medians))
    Console().print(table)


if __name__ == "__main__":
    main()
