"""The workers of a world: started, killed, and started again."""

import signal
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
        worker = self.launch(batch_ms=batch_ms, fault=fault, skew_s=skew_s)
        wait_until(lambda: self._greetings() > heard, what="the worker consumes")
        return worker

    def launch(self, *, batch_ms: float = 50, fault: str = "", skew_s: float = 0) -> Process:
        """Start a worker and return at once."""
        if fault:
            self.append(self.house.start_faulty_worker(fault, batch_ms=batch_ms))
        elif skew_s:
            self.append(self.house.start_skewed_worker(skew_s, batch_ms=batch_ms))
        else:
            self.append(self.house.start_stub_worker(batch_ms=batch_ms))
        return self[-1]

    def supervise(
        self,
        done: Callable[[], bool],
        *,
        fault: str,
        died: Callable[[], None],
        at_most: int,
        batch_ms: float = 20,
    ) -> list[int]:
        """Start a worker whenever there is none, until all is done; return how they ended.

        Calls `died` after each death, and fails when there are more than `at_most`. A worker that
        is alive in the end stays so.
        """
        ended: list[int] = []

        def over() -> bool:
            status = self[-1].poll()
            if status is not None:
                ended.append(status)
                died()
                assert len(ended) <= at_most, f"{len(ended)} workers died: {ended}"
                self.launch(batch_ms=batch_ms, fault=fault)
            return done()

        self.launch(batch_ms=batch_ms, fault=fault)
        wait_until(over, what="it is over", limit_s=90)
        return ended

    def stop(self, worker: Process) -> int:
        """Send SIGTERM and return the exit status."""
        worker.send_signal(signal.SIGTERM)
        return self.end_of(worker)

    def end_of(self, worker: Process) -> int:
        """Wait for a worker to end by itself, and return its exit status."""
        wait_until(lambda: worker.poll() is not None, what="the worker has ended", limit_s=30)
        return worker.returncode

    def marks(self, fault: str) -> Marks:
        """How often a fault has struck."""
        return Marks(self.house.marks, fault)

    def _greetings(self) -> int:
        try:
            return self.house.log("worker").count("ready.")
        except FileNotFoundError:
            return 0
