"""Waits for the end of batches, which no event announces: their jobs' events would be too many."""

import time
from collections.abc import Callable

from seewhy.ledger.ports.batches import BatchLedger
from seewhy.ledger.types import BatchRecord

INTERVAL_S = 0.5


class BatchPoll:
    """Reads a batch again and again on behalf of a client."""

    def __init__(
        self,
        *,
        batches: BatchLedger,
        is_stopping: Callable[[], bool],
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Return early once `is_stopping()`: the process must end."""
        self._batches = batches
        self._is_stopping = is_stopping
        self._sleep = sleep

    def wait(self, batch: BatchRecord, *, wait_s: float) -> BatchRecord:
        """Return the batch once it has ended, or its latest record after `wait_s`."""
        ends_at = time.monotonic() + wait_s
        while not batch.state.terminal and not self._is_stopping():
            remaining_s = ends_at - time.monotonic()
            if remaining_s <= 0:
                break
            self._sleep(min(INTERVAL_S, remaining_s))
            batch = self._batches.read(batch.batch_id) or batch
        return batch
