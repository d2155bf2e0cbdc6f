"""The whole ledger in one process's memory.

Tests compare the Lua scripts with it, so it is written to be obvious rather than fast.
"""

import time
from collections.abc import Callable

from seewhy.ledger.memory.batches import MemoryBatches
from seewhy.ledger.memory.claims import MemoryClaims
from seewhy.ledger.memory.jobs import MemoryJobs
from seewhy.ledger.memory.key_use import MemoryKeyUse
from seewhy.ledger.memory.maintenance import MemoryMaintenance
from seewhy.ledger.memory.monitoring import MemoryMonitoring
from seewhy.ledger.memory.outbox import MemoryOutbox
from seewhy.ledger.memory.recovery import MemoryRecovery
from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.memory.submission import MemorySubmission
from seewhy.ledger.memory.uploads import MemoryUploads
from seewhy.ledger.memory.workers import MemoryWorkerRegistry
from seewhy.ledger.types import LedgerPolicy


class MemoryLedger(
    MemorySubmission,
    MemoryClaims,
    MemoryJobs,
    MemoryMaintenance,
    MemoryMonitoring,
    MemoryRecovery,
):
    """Implements `seewhy.ledger.ports.ledger.Ledger` for the threads of one process."""

    def __init__(
        self,
        *,
        policy: LedgerPolicy | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        unread_wakeups: Callable[[str], int] = lambda _: 0,
    ) -> None:
        """Start empty. `unread_wakeups` counts the unread messages of a Celery queue."""
        self._state = LedgerState(policy or LedgerPolicy(), clock_ms, unread_wakeups)
        self.outbox = MemoryOutbox(self._state)
        self.batches = MemoryBatches(self._state)
        self.workers = MemoryWorkerRegistry(self._state)
        self.key_use = MemoryKeyUse(self._state)
        self.uploads = MemoryUploads(self._state)
