"""How well `eta_s` predicts when explanations and batches finish, on a mixed load.

Runs Valkey, the API and one worker as processes. After a warm-up, in which the worker measures
itself, three tenants send jobs of several methods and both priorities, long ones and a batch, and
some more a moment later. Every second the script asks for the estimates of open jobs, and compares
them with the times at which they have finished. Prints a Markdown table.

    PYTHONPATH=tests python benchmarks/estimates.py --worker stub --pass-ms 20
    PYTHONPATH=tests python benchmarks/estimates.py --worker real
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image

from images import encoded
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.ledger import RedisLedger, open_ledger
from seewhy.settings import load
from servers.process_cluster import ProcessCluster, start_cluster
from servers.valkey import start_valkey
from servers.waiting import wait_until

PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "astronaut.jpg"
LEASE_S = 6.0
"""Short, so that the worker reports its measurements every two seconds."""
SAMPLE = 12
"""How many open jobs are asked for each second."""
JSON_LINES = {"Content-Type": "application/x-ndjson"}


@dataclass(frozen=True)
class Load:
    """Jobs of one tenant with one request."""

    tenant: str
    count: int
    request: dict[str, Any]


def methods(*names: str, priority: str = "interactive") -> dict[str, Any]:
    """Return a request for several methods."""
    return {"methods": names, "priority": priority, "cache": False, "outputs": []}


FIRST = (
    Load("a", 80, methods("gradcam")),
    Load("b", 25, methods("faster-scorecam")),
    Load("c", 15, methods("gradcam", "layercam")),
    Load("c", 40, methods("layercam", priority="batch")),
    Load("b", 4, methods("smoothgrad", "gradcam")),
    Load("c", 3, methods("integrated-gradients")),
)
LATER = (Load("c", 25, methods("gradcam++")), Load("a", 2, methods("integrated-gradients")))
BATCH = Load("a", 60, methods("gradcam"))
WARM_UP = (
    *(Load("a", 40, methods(name)) for name in ("gradcam", "layercam", "gradcam++")),
    Load("a", 24, methods("faster-scorecam")),
    Load("a", 3, methods("smoothgrad")),
    Load("a", 3, methods("integrated-gradients")),
)


@dataclass(frozen=True)
class Estimate:
    """An estimate, and the time at which it was given."""

    kind: str
    subject: str
    at_ms: float
    p50_s: float
    p90_s: float


class Service:
    """The API, as clients use it, and the ledger, to read when jobs have finished."""

    def __init__(self, cluster: ProcessCluster) -> None:
        """Use a running cluster."""
        self.ledger: RedisLedger = open_ledger(cluster.settings)
        self._http = httpx2.Client(base_url=cluster.url, timeout=60)
        photo = encoded(Image.open(PHOTO).resize((640, 427)), "JPEG", subsampling=2)
        self._images = {
            tenant: self._send(tenant, "POST", "/v1/images", files={"image": photo})["image_id"]
            for tenant in "abc"
        }

    def submit(self, load: Load) -> list[str]:
        """Submit single jobs; return their ids."""
        body = {**load.request, "image_id": self._images[load.tenant]}
        return [
            self._send(load.tenant, "POST", "/v1/explanations", json=body)["id"]
            for _ in range(load.count)
        ]

    def submit_batch(self, load: Load) -> str:
        """Submit a batch; return its id."""
        request = {name: value for name, value in load.request.items() if name != "priority"}
        line = json.dumps({"image_id": self._images[load.tenant]}) + "\n"
        body = self._send(
            load.tenant,
            "POST",
            "/v1/batches",
            content=line * load.count,
            headers=JSON_LINES,
            params={"request": json.dumps(request)},
        )
        return str(body["id"])

    def estimate(self, tenant: str, path: str) -> dict[str, float] | None:
        """Return the estimate of an explanation or a batch."""
        body = self._send(tenant, "GET", path)
        return body["eta_s"]  # type: ignore[no-any-return]

    def wait(self) -> None:
        """Wait until all jobs have finished."""
        wait_until(
            lambda: self.ledger.counts().non_terminal == 0, what="all jobs finished", limit_s=900
        )

    def _send(self, tenant: str, method: str, path: str, **more: Any) -> Any:
        headers = {"X-Tenant": tenant, **more.pop("headers", {})}
        response = self._http.request(method, path, headers=headers, **more)
        response.raise_for_status()
        return response.json()


@contextmanager
def running(worker: str, model: str, pass_ms: float) -> Iterator[ProcessCluster]:
    """Run the service with a stub or a real worker of `model`."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(start_valkey(directory / "valkey"))
        settings = load(
            {},
            redis_url=server.url,
            store_url=f"file://{directory}/objects",
            default_model=model,
            api_port=free_port(),
            lease_s=LEASE_S,
            activation_cache_bytes=0,
            auth="gateway",
            tenant_header="X-Tenant",
            trusted_proxies=("127.0.0.1",),
        )
        cluster = stack.enter_context(start_cluster(settings, directory))
        if worker == "stub":
            cluster.start_stub_worker(pass_ms=pass_ms)
        else:
            cluster.start_worker()
        cluster.start_api()
        wait_until(
            lambda: "ready." in cluster.read_log("worker"), what="the worker is ready", limit_s=300
        )
        yield cluster


def ask(service: Service, jobs: dict[str, tuple[str, str]], batch: str) -> Iterator[Estimate]:
    """Yield the estimates of some open jobs and of the batch."""
    records = {job: service.ledger.read(job) for job in jobs}
    still_open = [job for job, record in records.items() if record and not record.state.terminal]
    asked = random.sample(still_open, min(SAMPLE, len(still_open)))
    subjects = [(*jobs[job], job, f"/v1/explanations/{job}") for job in asked]
    subjects.append(("a whole batch", BATCH.tenant, batch, f"/v1/batches/{batch}"))
    for kind, tenant, subject, path in subjects:
        at_ms = time.time() * 1000
        if eta := service.estimate(tenant, path):
            yield Estimate(kind, subject, at_ms, eta["p50"], eta["p90"])


def kind_of(load: Load) -> str:
    """Name the queue of a load."""
    names = load.request["methods"]
    if {"smoothgrad", "integrated-gradients"} & set(names):
        return "long"
    return str(load.request["priority"])


def run(service: Service) -> list[tuple[Estimate, float]]:
    """Run the load; return each estimate with the seconds that it really took."""
    jobs: dict[str, tuple[str, str]] = {}
    estimates: list[Estimate] = []

    def submit(loads: Sequence[Load]) -> None:
        for load_ in loads:
            jobs.update(dict.fromkeys(service.submit(load_), (kind_of(load_), load_.tenant)))

    submit(FIRST)
    batch = service.submit_batch(BATCH)
    later_at = time.monotonic() + 3
    while True:
        if later_at and time.monotonic() >= later_at:
            submit(LATER)
            later_at = 0.0
        estimates += ask(service, jobs, batch)
        if service.ledger.counts().non_terminal == 0:
            break
        time.sleep(1)
    records = {job: service.ledger.read(job) for job in jobs}
    ends = {job: record.finished_ms for job, record in records.items() if record}
    ended = service.ledger.batches.read(batch)
    ends[batch] = ended.finished_ms if ended else None
    return [(e, (end - e.at_ms) / 1000) for e in estimates if (end := ends.get(e.subject))]


def print_table(found: Sequence[tuple[Estimate, float]]) -> None:
    """Print how often jobs ended within p50 and p90, and the relative error of p50."""
    by_kind: defaultdict[str, list[tuple[Estimate, float]]] = defaultdict(list)
    for estimate, actual_s in found:
        by_kind[estimate.kind].append((estimate, actual_s))
        by_kind["all"].append((estimate, actual_s))
    print("| queue | estimates | median wait | within p50 | within p90 | relative error |")
    print("|---|---|---|---|---|---|")
    for kind, pairs in sorted(by_kind.items(), key=lambda item: (item[0] == "all", item[0])):
        errors = [abs(e.p50_s - actual_s) / max(actual_s, 0.1) for e, actual_s in pairs]
        within_p50 = sum(actual_s <= e.p50_s for e, actual_s in pairs) / len(pairs)
        within_p90 = sum(actual_s <= e.p90_s for e, actual_s in pairs) / len(pairs)
        print(
            f"| {kind} | {len(pairs)} | {statistics.median(a for _, a in pairs):.1f} s "
            f"| {within_p50:.0%} | {within_p90:.0%} | {statistics.median(errors):.0%} |"
        )


def main() -> None:
    """Warm up, run the load and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", choices=["stub", "real"], default="stub")
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--pass-ms", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    with running(arguments.worker, arguments.model, arguments.pass_ms) as cluster:
        service = Service(cluster)
        for load_ in WARM_UP:
            service.submit(load_)
        service.wait()
        time.sleep(LEASE_S)
        found: list[tuple[Estimate, float]] = []
        for _ in range(arguments.rounds):
            found += run(service)
        print_table(found)


if __name__ == "__main__":
    main()
