"""L4: an autoscaler starts and stops workers while the load rises and falls.

It evaluates the formula of Kubernetes' horizontal autoscaler on the number of open jobs, faster
than a cluster does: every two seconds, and it scales in when a lower number was enough for ten.
"""

import math
import signal
import threading
import time
from collections import deque

from pools.section import Plan, Section, unaccounted
from pools.sending import poisson, send
from pools.service import SERVED_CPU_MS, Pool, require_cores, running
from seewhy_loadtest.generation.schedules import Step
from seewhy_loadtest.measures.summary import summarize
from seewhy_loadtest.report.blocks import Text
from seewhy_loadtest.report.content import stage_blocks

INTERVAL_S, STABILIZATION_S = 2.0, 10.0
TARGET_S = 2.0
"""The backlog for each worker, in seconds of its device."""
TOLERANCE = 0.1
MOST = 4


def elasticity(plan: Plan) -> Section:
    """Let the pool grow to four workers and shrink to one."""
    alone = plan.profile.images_per_s
    low, high = 0.5 * alone, 3.0 * alone
    steps = (Step(low, plan.seconds), Step(high, plan.seconds), Step(low, plan.seconds))
    require_cores(jobs_per_s=high, cpu_ms=SERVED_CPU_MS)
    with running(plan.profile) as pool:
        pool.start_workers(1)
        scaler = Autoscaler(pool)
        scaler.start()
        record = send(pool.url, poisson(*steps, seed=plan.seed))
        deadline_s = time.perf_counter() + 4 * STABILIZATION_S
        while len(pool.alive()) > 1 and time.perf_counter() < deadline_s:
            time.sleep(0.1)
        scaler.stop()
    stage = record, summarize(record)
    return Section(
        title="Workers that come and go",
        blocks=[
            Text(
                f"{low:.0f}, {high:.0f} and {low:.0f} jobs/s for {plan.seconds:.0f} s each; the "
                f"formula of Kubernetes' autoscaler chose the workers: {scaler.shown()}."
            ),
            *stage_blocks([stage], level=3),
        ],
        document={"workers": scaler.changes},
        problems=unaccounted(stage[1], "Elasticity"),
        stages=[stage],
    )


class Autoscaler:
    """A thread that starts and stops the workers of a pool."""

    def __init__(self, pool: Pool) -> None:
        """Scale between one and `MOST` workers."""
        self._pool = pool
        self._target = TARGET_S * pool.profile.images_per_s
        self._wanted: deque[int] = deque(maxlen=round(STABILIZATION_S / INTERVAL_S))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._ready = threading.Event()
        self._begun_s = time.perf_counter()
        self.changes: list[tuple[float, int]] = [(0.0, 1)]

    def start(self) -> None:
        """Start scaling. The workers exit with the thread that started them: see `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Stop scaling."""
        self._stopped.set()
        self._thread.join()

    def shown(self) -> str:
        """Return the number of workers over time."""
        return ", ".join(f"{count} at {at_s:.0f} s" for at_s, count in self.changes)

    def desired(self, *, open_jobs: int, workers: int) -> int:
        """Return the number of workers by the formula, without the stabilization."""
        ratio = open_jobs / (workers * self._target)
        wanted = workers if abs(ratio - 1) <= TOLERANCE else math.ceil(workers * ratio)
        return min(max(wanted, 1), MOST)

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            workers = self._pool.alive()
            wanted = self.desired(open_jobs=self._pool.open_jobs(), workers=len(workers))
            self._wanted.append(wanted)
            enough = max(self._wanted) if len(self._wanted) == self._wanted.maxlen else MOST
            count = wanted if wanted > len(workers) else min(len(workers), enough)
            for _ in range(count - len(workers)):
                self._pool.launch_worker()
            for worker in workers[count:]:
                worker.send_signal(signal.SIGTERM)
                worker.wait(timeout=60)
            if count != len(workers):
                self.changes.append((time.perf_counter() - self._begun_s, count))
