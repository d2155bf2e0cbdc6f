"""L3: a burst on a half-loaded pool, and how long the backlog takes to drain."""

import math
import statistics
import threading
import time

from pools.service import SERVED_CPU_MS, Pool, Profile, require_cores, running
from pools.submissions import Sender, describe, poisson


def burst(profile: Profile, *, workers: int, base_s: float, burst_s: float, seed: int) -> None:
    """Print the measured time to drain beside that of the formula."""
    capacity = workers * profile.images_per_s
    base, high = 0.5 * capacity, 1.5 * capacity
    expected_s = (high - capacity) * burst_s / (capacity - base)
    end_s = base_s + burst_s + 1.5 * expected_s
    schedule = [
        *poisson(rate=base, begin_s=0, end_s=end_s, seed=seed),
        *poisson(rate=high - base, begin_s=base_s, end_s=base_s + burst_s, seed=seed + 1),
    ]
    require_cores(jobs_per_s=high, cpu_ms=SERVED_CPU_MS)
    with running(profile) as pool:
        pool.start_workers(workers)
        sender = Sender(pool)
        history = _History(pool)
        history.start()
        sender.send_on_time(schedule)
        history.stop()
        pool.await_end()
        print(f"L3: {pool.accounts()}; {describe(sender.sent)}")
    usual = statistics.median(jobs for at_s, jobs in history.open if 3 < at_s < base_s)
    peak_s, peak = max(history.open, key=lambda each: each[1])
    drained_s = next(
        (at_s for at_s, jobs in history.open if at_s > peak_s and jobs <= usual), math.inf
    )
    # The formula is for the mean; the backlog of this schedule is known.
    arrived = sum(base_s <= at_s < base_s + burst_s for at_s, _ in schedule)
    own_s = (arrived - capacity * burst_s) / (capacity - base)
    measured_s = drained_s - base_s - burst_s
    print(
        f"L3: N = {workers}, {base:.0f} then {high:.0f} jobs/s for {burst_s:.0f} s: peak {peak} "
        f"open jobs, usually {usual:.0f}; drained in {measured_s:.1f} s, formula "
        f"{expected_s:.1f} s ({measured_s / expected_s:.2f}), with the arrivals of this seed "
        f"{own_s:.1f} s ({measured_s / own_s:.2f})"
    )


class _History:
    """A thread that notes the number of open jobs."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.open: list[tuple[float, int]] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        begun_s = time.perf_counter() + 0.2
        while not self._stopped.wait(0.1):
            self.open.append((time.perf_counter() - begun_s, self._pool.open_jobs()))
