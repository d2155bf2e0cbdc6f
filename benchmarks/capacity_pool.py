"""The service as processes with a stub in place of the model, and a load generator."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import psutil
from prometheus_client.parser import text_string_to_metric_families
from throughput import BOUNDARY, cpu_s, multipart_body

from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.settings import load
from servers.process_cluster import ProcessCluster, start_cluster
from servers.valkey import start_valkey
from servers.waiting import wait_until

MAX_BATCH = 8
SENDERS = 48
"""Connections of the load generator: more than requests are open at once."""


@dataclass(frozen=True)
class Stub:
    """A device that sleeps for a batch and for each of its images, in ms; 33 for those at most.

    More of them would not fit into one chunk of the stub explainer.
    """

    batch_ms: float
    pass_ms: float

    @property
    def images_per_s(self) -> float:
        """Images per second in full batches."""
        return 1000 * MAX_BATCH / (self.batch_ms + MAX_BATCH * self.pass_ms)


class Pool:
    """The service as processes on this machine, and a load generator in this one."""

    def __init__(self, cluster: ProcessCluster, pids: dict[str, list[int]]) -> None:
        """Use running processes."""
        self.cluster, self.pids = cluster, pids
        self.ledger = open_ledger(cluster.settings)
        self._upload = multipart_body('{"cache": false}')
        self._connections = threading.local()
        self._senders = ThreadPoolExecutor(SENDERS)

    def cpu_s(self) -> dict[str, float]:
        """Return the processor time of each part so far; `load` is this process."""
        spent = {part: sum(map(cpu_s, pids)) for part, pids in self.pids.items()}
        return spent | {"load": time.process_time()}

    def send(self, times_s: Sequence[float]) -> tuple[list[float], list[str]]:
        """Send a job at each time from now on; return when each was due, and the ids."""
        start_s = time.time() + 0.5
        due_s = [start_s + at_s for at_s in times_s]
        sent = []
        for at_s in due_s:
            time.sleep(max(0, at_s - time.time()))
            sent.append(self._senders.submit(self._send_one))
        return due_s, [future.result() for future in sent]

    def finish(self, *, after_s: float = 0.0) -> None:
        """Wait until no job is open; ask for it from `after_s` on, because that costs time, too."""
        time.sleep(after_s)
        wait_until(lambda: self.ledger.counts().non_terminal == 0, what="all done", limit_s=120)

    def _send_one(self) -> str:
        connection = getattr(self._connections, "value", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.cluster.settings.api_port)
            self._connections.value = connection
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        connection.request("POST", "/v1/explanations", self._upload, headers)
        response = connection.getresponse()
        body = json.loads(response.read())
        if response.status != 202:
            raise SystemExit(f"the API answered {response.status}: {body}")
        return str(body["id"])


@contextmanager
def running(stub: Stub, *, workers: int, **changes: object) -> Iterator[Pool]:
    """Run Valkey, an API and workers with stubs over a local directory."""
    with TemporaryDirectory() as folder, start_valkey(Path(folder) / "valkey") as server:
        store = f"file://{folder}/objects"
        settings = load({}, redis_url=server.url, api_port=free_port(), store_url=store, **changes)
        with start_cluster(settings, Path(folder)) as cluster:
            api = cluster.start_api()
            started = [cluster.start_stub_worker(**asdict(stub)).pid for _ in range(workers)]
            wait_until(
                lambda: cluster.read_log("worker").count("ready.") == workers, what="all ready"
            )
            pids = {"api": [api.pid], "workers": started, "redis": [server.pid]}
            pool = Pool(cluster, pids)
            pool.send([0.0, 0.1, 0.2, 0.3] * workers)
            pool.finish()
            yield pool


def run(pool: Pool, times_s: Sequence[float]) -> dict[str, list[float]]:
    """Send jobs; return for each, from its due time or the step before, how long steps took."""
    due_s, ids = pool.send(times_s)
    pool.finish()
    records = [pool.ledger.read(one) for one in ids]
    start_s = due_s[0] - times_s[0]
    return {
        "accepted_s": [r.submitted_ms / 1000 - at for r, at in zip(records, due_s, strict=True)],
        "claimed_s": [(r.started_ms - r.submitted_ms) / 1000 for r in records],
        "finished_s": [r.finished_ms / 1000 - start_s for r in records],
    }


def run_stopped_batch(pool: Pool, size: int) -> tuple[int, float, float]:
    """Let a worker find `size` jobs at once; return their time on the device and besides it."""
    worker = psutil.Process(pool.pids["workers"][0])
    worker.suspend()
    _, ids = pool.send([0.0] * size)
    worker.resume()
    pool.finish()
    records = [pool.ledger.read(one) for one in ids]
    device_s = json.loads(records[0].result)["timings_ms"]["explain"] / 1000
    took_s = (records[0].finished_ms - records[0].started_ms) / 1000
    if len({record.started_ms for record in records}) != 1:
        raise SystemExit(f"{size} jobs were not claimed together; run again")
    return size, device_s, took_s - device_s


def stage_means_s(port: int) -> dict[str, float]:
    """Return the mean time of each stage of a batch, as the worker's metrics have it."""
    text = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    totals: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        if family.name == "seewhy_batch_stage_seconds":
            for sample in family.samples:
                stage, kind = sample.labels["stage"], sample.name.rpartition("_")[2]
                totals[stage, kind] = totals.get((stage, kind), 0) + sample.value
    stages = {stage for stage, _ in totals}
    return {stage: totals[stage, "sum"] / totals[stage, "count"] for stage in stages}
