"""The worker registry in memory."""

import copy
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.types import (
    NO_DETAILS,
    DeviceTimes,
    Measurement,
    ModelPresence,
    RegisteredWorker,
    WorkerDetails,
)
from seewhy.ledger.types.workers import (
    MEASURED_VALUES,
    MEASUREMENTS_LIMIT,
    PLAIN_METHOD,
    averaged_pass_us,
)


class MemoryWorkerRegistry:
    """Implements `seewhy.ledger.ports.workers.WorkerRegistry` with the clock of a ledger."""

    def __init__(self, state: LedgerState) -> None:
        """Start without workers."""
        self._state = state
        self._workers: dict[str, RegisteredWorker] = {}
        self._models_seen_ms: dict[str, int] = {}
        self._times: dict[str, dict[str, dict[str, tuple[float, ...]]]] = {}

    def register(
        self,
        worker_id: str,
        *,
        models: Sequence[str],
        device: str = "cpu",
        measurements: Sequence[Measurement] = (),
        details: WorkerDetails = NO_DETAILS,
    ) -> None:
        """Add a worker, or renew its registration, and keep what it measured."""
        with self._state.changed:
            now = self._state.now()
            known = self._workers.get(worker_id)
            worker = known or RegisteredWorker(worker_id, (), started_ms=now, seen_ms=now)
            self._workers[worker_id] = replace(
                worker, models=tuple(models), seen_ms=now, device=device, details=details
            )
            self._models_seen_ms.update(dict.fromkeys(models, now))
            for each in measurements:
                self._keep(each, device)

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
        devices: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for worker in self.list_workers():
            for model in worker.models:
                devices[model][worker.device] += 1
        with self._state.changed:
            now = self._state.now()
            return {
                model: ModelPresence(
                    devices[model].total(), seen_ms, now - seen_ms, dict(devices[model])
                )
                for model, seen_ms in self._models_seen_ms.items()
            }

    def device_times(self) -> dict[str, DeviceTimes]:
        """Return what workers measured, by model."""
        with self._state.changed:
            return {model: copy.deepcopy(times) for model, times in self._times.items()}

    def _keep(self, measurement: Measurement, device: str) -> None:
        of_model = self._times.setdefault(measurement.model, {})
        times = of_model.setdefault(device, {})
        if measurement.name in times or sum(map(len, of_model.values())) < MEASUREMENTS_LIMIT:
            values = (*times.get(measurement.name, ()), *measurement.values)
            times[measurement.name] = values[-MEASURED_VALUES:]
            if measurement.name == PLAIN_METHOD:
                known = self._state.pass_us
                known[measurement.model] = averaged_pass_us(
                    times[measurement.name], known.get(measurement.model)
                )
