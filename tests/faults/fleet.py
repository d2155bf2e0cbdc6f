"""The workers of a world: started, killed, and started again."""

import signal
import time
from collections.abc import Callable

from servers.house import House, Process
from servers.marks import Marks
from servers.waiting import wait_until


class Fleet(list[Process]):
    """All workers there ever were, in the order they were started."""

    def __init__(self, house: House) -> None:
        """Start workers of this house."""
        super().__init__()
        self.house = house

    def start(self, *, batch_ms: float = 50, fault: str = "", skew_s: float = 0) -> Process:
        """Start a worker and return once it consumes."""
        heard = self._greetings()
        self.append(self._launch(batch_ms, fault, skew_s))
        wait_until(lambda: self._greetings() > heard, what="the worker consumes")
        return self[-1]

    def supervise(
        self,
        done: Callable[[], bool],
        *,
        fault: str,
        died: Callable[[], None],
        batch_ms: float = 20,
        limit_s: float = 90,
    ) -> list[int]:
        """Start a worker whenever there is none, until all is done; return how they ended.

        Calls `died` after each death. A worker that is alive in the end stays so.
        """
        ended = []
        deadline = time.monotonic() + limit_s
        self.append(self._launch(batch_ms, fault, 0))
        while not done():
            assert time.monotonic() < deadline, f"workers ended by {ended}, and it is not over"
            status = self[-1].poll()
            if status is None:
                time.sleep(0.02)
                continue
            ended.append(status)
            died()
            self.append(self._launch(batch_ms, fault, 0))
        return ended

    def stop(self, worker: Process) -> int:
        """Send SIGTERM and return the exit status."""
        worker.send_signal(signal.SIGTERM)
        return worker.wait(timeout=30)

    def marks(self, fault: str) -> Marks:
        """How often a fault has struck."""
        return Marks(self.house.marks, fault)

    def _launch(self, batch_ms: float, fault: str, skew_s: float) -> Process:
        if fault:
            return self.house.start_faulty_worker(fault, batch_ms=batch_ms)
        if skew_s:
            return self.house.start_skewed_worker(skew_s, batch_ms=batch_ms)
        return self.house.start_stub_worker(batch_ms=batch_ms)

    def _greetings(self) -> int:
        try:
            return self.house.log("worker").count("ready.")
        except FileNotFoundError:
            return 0
