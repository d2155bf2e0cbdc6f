"""The worker registry in memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.types import ModelPresence, RegisteredWorker


class MemoryWorkerRegistry:
    """Implements `seewhy.ledger.ports.workers.WorkerRegistry` with the clock of a ledger."""

    def __init__(self, state: LedgerState) -> None:
        """Start without workers."""
        self._state = state
        self._workers: dict[str, RegisteredWorker] = {}
        self._models_seen_ms: dict[str, int] = {}

    def register(self, worker_id: str, *, models: Sequence[str]) -> None:
        """Add a worker, or renew its registration."""
        with self._state.changed:
            now = self._state.now()
            known = self._workers.get(worker_id)
            worker = known or RegisteredWorker(worker_id, (), started_ms=now, seen_ms=now)
            self._workers[worker_id] = replace(worker, models=tuple(models), seen_ms=now)
            self._models_seen_ms.update(dict.fromkeys(models, now))

    def unregister(self, worker_id: str) -> None:
        """Remove a worker."""
        with self._state.changed:
            self._workers.pop(worker_id, None)

    def unregister_all(self) -> None:
        """Remove all workers."""
        with self._state.changed:
            self._workers.clear()

    def list_workers(self) -> list[RegisteredWorker]:
        """List the workers whose registration has not expired, the oldest first."""
        with self._state.changed:
            oldest = self._state.now() - self._state.policy.lease_ms
            self._workers = {k: w for k, w in self._workers.items() if w.seen_ms > oldest}
            return sorted(self._workers.values(), key=lambda w: (w.started_ms, w.worker_id))

    def model_presence(self) -> dict[str, ModelPresence]:
        """Return, by name, all models that a worker has registered, now or ever before."""
        counts = Counter(model for worker in self.list_workers() for model in set(worker.models))
        with self._state.changed:
            now = self._state.now()
            return {
                model: ModelPresence(counts[model], seen_ms, now - seen_ms)
                for model, seen_ms in self._models_seen_ms.items()
            }
