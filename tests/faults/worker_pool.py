"""The workers of an environment: started, killed and restarted."""

import signal
from collections.abc import Callable

from servers.fault_counter import FaultCounter
from servers.process_cluster import Process, ProcessCluster
from servers.waiting import wait_until


class WorkerPool(list[Process]):
    """All workers so far, dead ones included, in the order of their start."""

    def __init__(self, cluster: ProcessCluster) -> None:
        """Start workers in `cluster`."""
        super().__init__()
        self.cluster = cluster

    def start(self, *, batch_ms: float = 50, fault: str = "", skew_s: float = 0) -> Process:
        """Start a worker and return when it consumes wakeups."""
        before = self._ready_count()
        worker = self.launch(batch_ms=batch_ms, fault=fault, skew_s=skew_s)
        wait_until(lambda: self._ready_count() > before, what="the worker is ready")
        return worker

    def launch(self, *, batch_ms: float = 50, fault: str = "", skew_s: float = 0) -> Process:
        """Start a worker and return at once."""
        if fault:
            self.append(self.cluster.start_faulty_worker(fault, batch_ms=batch_ms))
        elif skew_s:
            self.append(self.cluster.start_skewed_worker(skew_s, batch_ms=batch_ms))
        else:
            self.append(self.cluster.start_stub_worker(batch_ms=batch_ms))
        return self[-1]

    def supervise(
        self,
        done: Callable[[], bool],
        *,
        fault: str,
        on_death: Callable[[], None],
        max_deaths: int,
        batch_ms: float = 20,
    ) -> list[int]:
        """Restart the worker after each death until `done()`; return the exit statuses.

        Calls `on_death` after each death. A worker that is alive in the end keeps running. Raises
        `AssertionError` after more than `max_deaths` deaths.
        """
        statuses: list[int] = []

        def restart_until_done() -> bool:
            status = self[-1].poll()
            if status is not None:
                statuses.append(status)
                on_death()
                assert len(statuses) <= max_deaths, f"{len(statuses)} workers died: {statuses}"
                self.launch(batch_ms=batch_ms, fault=fault)
            return done()

        self.launch(batch_ms=batch_ms, fault=fault)
        wait_until(restart_until_done, what="every job has ended", limit_s=90)
        return statuses

    def stop(self, worker: Process) -> int:
        """Send SIGTERM and return the exit status."""
        worker.send_signal(signal.SIGTERM)
        return self.wait_for_exit(worker)

    def wait_for_exit(self, worker: Process) -> int:
        """Wait until a worker exits; return its exit status."""
        wait_until(lambda: worker.poll() is not None, what="the worker has exited", limit_s=30)
        return worker.returncode

    def fault_counter(self, fault: str) -> FaultCounter:
        """Return the counter of a fault of these workers."""
        return FaultCounter(self.cluster.counters, fault)

    def task_errors(self) -> list[str]:
        """Return the log lines about tasks that raised; a task must handle every fault."""
        return [line for line in self._log().splitlines() if "raised unexpected" in line]

    def _ready_count(self) -> int:
        return self._log().count("ready.")

    def _log(self) -> str:
        try:
            return self.cluster.read_log("worker")
        except FileNotFoundError:
            return ""
