"""How two tenants share a device: one sends methods of many forward passes, the other Grad-CAM.

A worker with three threads runs the jobs on a simulated device that sleeps for each pass. Its time
is measured, so a busy machine changes the speed but no share. Prints Markdown.

    PYTHONPATH=tests python benchmarks/fairness.py
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from redis import Redis

from in_memory_worker import IMAGE_KEY, HookedExplainer, InMemoryWorker
from seewhy.estimates.job_cost import job_cost
from seewhy.ledger.memory.ledger import MemoryLedger
from seewhy.ledger.redis.ledger import RedisLedger
from seewhy.ledger.types import LedgerPolicy, Submission, lane_of
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Job, JobState, MethodOptions, Priority
from seewhy.schemas.passes import forward_passes
from seewhy_worker.checkpoints.checkpoint import Checkpoint, no_checkpoint
from seewhy_worker.explain.types import ExplanationTask, ImageExplanation
from seewhy_worker.stub import StubExplainer
from servers.valkey import start_valkey

PASS_S = 0.02
THREADS = 3
LANES = {long: lane_of("m", Priority.INTERACTIVE, long=long) for long in (False, True)}
METHODS = {"smoothgrad": False, "scorecam": True}
"""The methods of the tenant `many`, and whether their jobs are long."""


AnyLedger = MemoryLedger | RedisLedger
RATE_PER_S = 5
"""How many Grad-CAMs are sent in a second for the quantiles: a tenth of what the device can do."""
WAITING = {"smoothgrad": 8, "scorecam": 3, "gradcam": 200}
"""How many jobs of a method wait at any time: more than the worker claims at once."""


class MeteredDevice(HookedExplainer):
    """Counts the time of the device by method."""

    def __init__(self) -> None:
        """Sleep for `PASS_S` in each forward pass."""
        super().__init__()
        StubExplainer.__init__(self, pass_s=PASS_S)
        self.used_s: Counter[str] = Counter()
        self._passes = threading.local()

    def explain(
        self, tasks: Sequence[ExplanationTask], *, checkpoint: Checkpoint = no_checkpoint
    ) -> list[ImageExplanation]:
        """Explain, and remember what each method has of the batch."""
        self._passes.by_method = Counter()
        for task in tasks:
            passes = forward_passes(task.options, targets=len(task.targets))
            self._passes.by_method[task.options.method] += passes
        return super().explain(tasks, checkpoint=checkpoint)

    def run_chunk(self, passes: float) -> None:
        """Sleep, and count how long that took."""
        started_s = time.perf_counter()
        super().run_chunk(passes)
        took_s = time.perf_counter() - started_s
        by_method = self._passes.by_method
        for method, of_method in by_method.items():
            self.used_s[method] += took_s * of_method / by_method.total()


class Bench:
    """A worker that runs until the block ends."""

    def __init__(self, ledger: AnyLedger) -> None:
        """Run the jobs of this ledger."""
        self.device = MeteredDevice()
        self.worker = InMemoryWorker(ledger=ledger, explainer=self.device)
        self.worker.measurements.add("m", "gradcam", PASS_S * 1000)
        path = Path(tempfile.mkdtemp()) / "image.jpg"
        Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(path)
        self.worker.store.put(IMAGE_KEY, path.read_bytes(), content_type="image/jpeg")
        self._ended = threading.Event()
        self.jobs = 0
        self._waiting: dict[str, list[str]] = {}

    def submit(self, tenant: str, method: str, *, long: bool = False) -> str:
        """Submit one job with the cost that the API would estimate."""
        self.jobs += 1
        job_id = f"01a20000-0000-7000-8000-{self.jobs:012d}"
        job = Job(
            model="m", method=method, targets=(0,), outputs=("overlay",), image_key=IMAGE_KEY,
            image_width_px=64, image_height_px=48,
        )  # fmt: skip
        cost = job_cost([MethodOptions(method=method)], targets=1, times={})
        context = RequestContext(tenant)
        lane = LANES[long]
        submission = Submission(job_id, lane, job.model_dump_json(), context=context, cost=cost)
        self.worker.ledger.submit(submission)
        return job_id

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the lanes in several threads, each as a wakeup would."""

        def run(lane: str) -> None:
            while not self._ended.is_set():
                if not self.worker.run(lane):
                    time.sleep(PASS_S)

        with ThreadPoolExecutor(THREADS) as threads:
            done = [threads.submit(run, LANES[n == 0]) for n in range(THREADS)]
            try:
                yield
            finally:
                self._ended.set()
                self.worker.runner.stop()
        for each in done:
            each.result()

    def _fill(self, tenant: str, method: str) -> None:
        """Keep as many jobs of a method waiting as `WAITING` says."""
        waiting = self._waiting.setdefault(method, [])
        queued = [job for job in waiting if self.worker.record(job).state is JobState.QUEUED]
        missing = WAITING[method] - len(queued)
        long = METHODS.get(method, False)
        more = [self.submit(tenant, method, long=long) for _ in range(missing)]
        self._waiting[method] = queued + more

    def share(self, method: str, seconds: float) -> float:
        """Return the part of the device time that Grad-CAM gets beside a method."""
        started_s = time.perf_counter()
        self._fill("many", method)
        self._fill("one", "gradcam")
        with self.running():
            while time.perf_counter() - started_s < seconds:
                self._fill("many", method)
                self._fill("one", "gradcam")
                time.sleep(0.005)
            used_s = Counter(self.device.used_s)
        return used_s["gradcam"] / used_s.total()

    def p95_ms(self, method: str | None, seconds: float) -> float:
        """Return the time that 95 of 100 Grad-CAMs take at most, sent at a fixed rate."""
        with self.running():
            started_s, sent = time.perf_counter(), list[str]()
            while (elapsed_s := time.perf_counter() - started_s) < seconds:
                if method:
                    self._fill("many", method)
                if len(sent) <= elapsed_s * RATE_PER_S:
                    sent.append(self.submit("one", "gradcam"))
                time.sleep(0.005)
            while any(not self.worker.record(job).state.terminal for job in sent):
                time.sleep(0.05)
        records = [self.worker.record(job) for job in sent]
        return statistics.quantiles(
            [(record.finished_ms or 0) - record.submitted_ms for record in records], n=20
        )[-1]


def measure(open_ledger: Callable[[], AnyLedger], seconds: float) -> Iterator[str]:
    """Yield the cells of a row."""
    for method in METHODS:
        yield f"{Bench(open_ledger()).share(method, seconds):.3f}"
    for beside in (None, *METHODS):
        yield f"{Bench(open_ledger()).p95_ms(beside, seconds):.0f} ms"


def main() -> None:
    """Measure with the ledger in memory and in Valkey."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="Duration of a measurement.")
    seconds = parser.parse_args().seconds
    columns = [f"share beside {method}" for method in METHODS]
    columns += [f"p95 {'alone' if method is None else 'beside ' + method}" for method in
                (None, *METHODS)]  # fmt: skip
    print(f"| ledger | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    policy = LedgerPolicy(lease_ms=600_000)

    def in_memory() -> AnyLedger:
        return MemoryLedger(policy=policy, clock_ms=lambda: round(time.time() * 1000))

    print(f"| memory | {' | '.join(measure(in_memory, seconds))} |", flush=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        start_valkey(Path(directory), appendonly=False) as server,
        Redis.from_url(server.url, decode_responses=True) as client,
    ):

        def in_valkey() -> AnyLedger:
            client.flushall()
            return RedisLedger(client, policy=policy)

        print(f"| Valkey | {' | '.join(measure(in_valkey, seconds))} |", flush=True)


if __name__ == "__main__":
    main()
