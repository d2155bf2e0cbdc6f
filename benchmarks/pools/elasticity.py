"""L4: an autoscaler starts and stops workers while the load rises and falls.

It evaluates the formula of Kubernetes' horizontal autoscaler on the number of open jobs, faster
than a cluster does: every two seconds, and it scales in when a lower number was enough for ten.
"""

import math
import signal
import threading
import time
from collections import deque

from pools.service import (
    SERVED_CPU_MS,
    Pool,
    Profile,
    percentile,
    require_cores,
    running,
)
from pools.submissions import Sender, describe, latencies_s, poisson

INTERVAL_S, STABILIZATION_S = 2.0, 10.0
TARGET_S = 2.0
"""The backlog for each worker, in seconds of its device."""
TOLERANCE = 0.1
MOST = 4


def elasticity(profile: Profile, *, phase_s: float, seed: int) -> None:
    """Print what became of the jobs while the pool grew to four workers and shrank to one."""
    alone = profile.images_per_s
    low, high = 0.5 * alone, 3.0 * alone
    schedule = [
        *poisson(rate=low, begin_s=0, end_s=3 * phase_s, seed=seed),
        *poisson(rate=high - low, begin_s=phase_s, end_s=2 * phase_s, seed=seed + 1),
    ]
    require_cores(jobs_per_s=high, cpu_ms=SERVED_CPU_MS)
    with running(profile) as pool:
        pool.start_workers(1)
        sender = Sender(pool)
        scaler = Autoscaler(pool)
        scaler.start()
        sender.send_on_time(schedule)
        pool.await_end()
        deadline_s = time.perf_counter() + 4 * STABILIZATION_S
        while len(pool.alive()) > 1 and time.perf_counter() < deadline_s:
            time.sleep(0.1)
        scaler.stop()
        accepted = pool.ledger.counts().accepted
        tail_s = percentile(latencies_s(pool, sender.sent.job_ids["default"]), 0.99)
        print(f"L4: {pool.accounts()}; {describe(sender.sent)}")
        print(
            f"L4: {low:.0f}, {high:.0f}, {low:.0f} jobs/s for {phase_s:.0f} s each: workers "
            f"{scaler.shown()}; {accepted} jobs, 99 % within {tail_s:.1f} s"
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
