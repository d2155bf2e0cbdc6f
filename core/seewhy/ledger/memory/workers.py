"""The worker registry in memory."""

import copy
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from seewhy.ledger.memory.monitoring import lane_status
from seewhy.ledger.memory.state.state import LedgerState
from seewhy.ledger.types import (
    NO_DETAILS,
    PASS_COST,
    DeviceTimes,
    Measurement,
    ModelDemand,
    ModelPresence,
    RegisteredWorker,
    WorkerDetails,
    lanes_of,
    priority_of,
)
from seewhy.ledger.types.workers import (
    MEASURED_VALUES,
    MEASUREMENTS_LIMIT,
    PLAIN_METHOD,
    averaged_pass_us,
)
from seewhy.schemas.job import Priority


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
        on_demand: Sequence[str] = (),
        loading: str = "",
    ) -> None:
        """Add a worker, or renew its registration, and keep what it measured."""
        with self._state.changed:
            now = self._state.now()
            known = self._workers.get(worker_id)
            worker = known or RegisteredWorker(worker_id, (), started_ms=now, seen_ms=now)
            self._workers[worker_id] = replace(
                worker,
                models=tuple(models),
                seen_ms=now,
                device=device,
                details=details,
                on_demand=tuple(on_demand),
                loading=loading,
            )
            self._models_seen_ms.update(dict.fromkeys((*models, *on_demand), now))
            for each in measurements:
                self._keep(each, device)

    def begin_load(self, worker_id: str, model: str, *, others: int) -> bool:
        """List a registered worker as loading a model, unless more than `others` are there."""
        with self._state.changed:
            workers = {worker.worker_id: worker for worker in self.list_workers()}
            worker = workers.pop(worker_id, None)
            there = [w for w in workers.values() if model in w.models or model == w.loading]
            if worker is None or len(there) > others:
                return False
            self._workers[worker_id] = replace(worker, loading=model)
            return True

    def demand(self, worker_id: str, models: Sequence[str]) -> dict[str, ModelDemand]:
        """Return the ready jobs of each model, and the other workers that are there for them."""
        with self._state.changed:
            others = [w for w in self.list_workers() if w.worker_id != worker_id]
            return {model: self._demand(model, others) for model in models}

    def _demand(self, model: str, others: Sequence[RegisteredWorker]) -> ModelDemand:
        found = {lane: lane_status(self._state, lane) for lane in lanes_of(model)}
        return ModelDemand(
            ready=sum(lane.ready for lane in found.values()),
            interactive=sum(
                lane.ready
                for name, lane in found.items()
                if priority_of(name) is Priority.INTERACTIVE
            ),
            waited_ms=max((lane.oldest_ready_ms for lane in found.values()), default=0),
            device_ms=sum(
                lane.ready_cost * lane.pass_us // (PASS_COST * 1000) for lane in found.values()
            ),
            loaded=sum(model in worker.models for worker in others),
            loading=sum(model == worker.loading for worker in others),
        )

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
        """Return, by name, all models that a worker has served, now or ever before."""
        workers = self.list_workers()
        loaded = _count_devices((w.device, w.models) for w in workers)
        devices = _count_devices((w.device, {*w.models, *w.on_demand}) for w in workers)
        with self._state.changed:
            now = self._state.now()
            return {
                model: ModelPresence(
                    workers=devices[model].total(),
                    last_seen_ms=seen_ms,
                    unseen_ms=now - seen_ms,
                    devices=dict(devices[model]),
                    loaded=dict(loaded[model]),
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


def _count_devices(workers: Iterable[tuple[str, Iterable[str]]]) -> dict[str, Counter[str]]:
    """Count, by model, the workers of each kind of device."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for device, models in workers:
        for model in models:
            counts[model][device] += 1
    return counts
