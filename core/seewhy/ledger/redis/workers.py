"""The worker registry in Redis or Valkey."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import TypeAdapter

from seewhy.ledger.redis.client.encoding import pairs
from seewhy.ledger.redis.client.scripts import Scripts
from seewhy.ledger.types import (
    NO_DETAILS,
    DeviceTimes,
    Measurement,
    ModelDemand,
    ModelPresence,
    RegisteredWorker,
    WorkerDetails,
    lanes_of,
)

_DETAILS = TypeAdapter(WorkerDetails)


class RedisWorkerRegistry:
    """Implements `seewhy.ledger.ports.workers.WorkerRegistry`."""

    def __init__(self, scripts: Scripts) -> None:
        """Call through these scripts."""
        self._call = scripts.call

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
        self._call(
            "workers/register",
            worker_id=worker_id,
            models=list(models),
            on_demand=list(on_demand),
            loading=loading,
            device=device,
            measurements=[asdict(each) for each in measurements],
            details=_DETAILS.dump_json(details).decode(),
        )

    def begin_load(self, worker_id: str, model: str, *, others: int) -> bool:
        """List a registered worker as loading a model, unless more than `others` are there."""
        return bool(
            self._call("workers/begin_load", worker_id=worker_id, model=model, others=others)
        )

    def demand(self, worker_id: str, models: Sequence[str]) -> dict[str, ModelDemand]:
        """Return the ready jobs of each model, and the other workers that are there for them."""
        asked = [{"name": model, "lanes": lanes_of(model)} for model in models]
        rows = self._call("workers/demand", worker_id=worker_id, models=asked)
        return {model: ModelDemand(*map(int, values)) for model, *values in rows}

    def unregister(self, worker_id: str) -> None:
        """Remove a worker."""
        self._call("workers/unregister", worker_id=worker_id)

    def unregister_all(self) -> None:
        """Remove all workers."""
        self._call("workers/unregister")

    def list_workers(self) -> list[RegisteredWorker]:
        """List the workers whose registration has not expired, the oldest first."""
        workers = [
            _decode(worker_id, text) for worker_id, text in self._call("workers/list_workers")
        ]
        return sorted(workers, key=lambda worker: (worker.started_ms, worker.worker_id))

    def model_presence(self) -> dict[str, ModelPresence]:
        """Return, by name, all models that a worker has served, now or ever before."""
        now_ms, rows = self._call("workers/model_presence")
        return {
            model: ModelPresence(
                workers=sum(pairs(devices).values()),
                last_seen_ms=int(seen_ms),
                unseen_ms=now_ms - int(seen_ms),
                devices=pairs(devices),
                loaded=pairs(loaded),
            )
            for model, devices, loaded, seen_ms in rows
        }

    def device_times(self) -> dict[str, DeviceTimes]:
        """Return what workers measured, by model."""
        found: dict[str, dict[str, dict[str, tuple[float, ...]]]] = {}
        for model, flat in self._call("workers/device_times"):
            for field, values in pairs(flat).items():
                name, _, device = field.partition("|")
                times = found.setdefault(model, {}).setdefault(device, {})
                times[name] = tuple(map(float, json.loads(values)))
        return dict(found)


def _decode(worker_id: str, text: str) -> RegisteredWorker:
    worker = json.loads(text)
    return RegisteredWorker(
        worker_id,
        models=tuple(worker["models"]),
        started_ms=int(worker["started_ms"]),
        seen_ms=int(worker["seen_ms"]),
        device=worker.get("device", "cpu"),
        details=_DETAILS.validate_json(worker.get("details", "{}")),
        on_demand=tuple(worker.get("on_demand", ())),
        loading=worker.get("loading", ""),
    )
