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
    ModelPresence,
    RegisteredWorker,
    WorkerDetails,
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
    ) -> None:
        """Add a worker, or renew its registration, and keep what it measured."""
        self._call(
            "workers/register",
            worker_id=worker_id,
            models=list(models),
            device=device,
            measurements=[asdict(each) for each in measurements],
            details=_DETAILS.dump_json(details).decode(),
        )

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
        """Return, by name, all models that a worker has registered, now or ever before."""
        now_ms, rows = self._call("workers/model_presence")
        return {
            model: ModelPresence(
                sum(pairs(devices).values()), int(seen_ms), now_ms - int(seen_ms), pairs(devices)
            )
            for model, devices, seen_ms in rows
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
    )
