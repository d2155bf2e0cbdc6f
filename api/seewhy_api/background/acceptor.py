"""The acceptor's thread in each API process."""

from seewhy.batches.acceptor import BatchAcceptor
from seewhy.periodic import PeriodicTask

INTERVAL_S = 0.5


class AcceptorTask:
    """Looks for batches to accept or cancel, twice a second."""

    def __init__(self, acceptor: BatchAcceptor) -> None:
        """Run this acceptor once started."""
        self._acceptor = acceptor
        self._task = PeriodicTask("acceptor", self.accept_batches, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def stop(self) -> None:
        """Stop after the current chunk."""
        self._task.stop()

    def accept_batches(self) -> None:
        """Work on all batches that wait. Raises `Unavailable`."""
        self._acceptor.accept_batches(should_stop=lambda: self._task.stopped)
