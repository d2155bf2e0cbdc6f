"""Presence: a worker that runs jobs is in the worker registry."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.ledger.types import WorkerDetails
from seewhy.periodic import PeriodicTask
from seewhy_worker.pipeline.measurements import Measurements

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedModels:
    """Which models a worker serves, and what it knows about them."""

    loaded: tuple[str, ...] = ()
    on_demand: tuple[str, ...] = ()
    """Those that it would load if their jobs waited."""
    loading: str = ""
    bytes: Mapping[str, int] = field(default_factory=dict)
    """Loaded model → the memory that it takes."""
    failed_loads: Mapping[str, str] = field(default_factory=dict)
    """Model → why it could not be loaded the last time."""


def describe_engines(engines: Mapping[str, str]) -> str:
    """Return the engine of all models, or that of each; `engines` has them by model."""
    if len(set(engines.values())) <= 1:
        return "".join(set(engines.values()))
    return ", ".join(f"{model}: {engine}" for model, engine in engines.items())


class Presence:
    """Registers a worker, and renews the registration, between `start` and `stop`."""

    def __init__(
        self,
        *,
        registry: WorkerRegistry,
        worker_id: str,
        models: Callable[[], ServedModels],
        device: str,
        measurements: Measurements,
        details: Callable[[ServedModels], WorkerDetails],
        lease_s: float,
    ) -> None:
        """Renew three times per lease, so that one failed call does not let it expire.

        Each time, report `models()`, the `details` and what was added to `measurements`.
        """
        self._registry = registry
        self._worker_id = worker_id
        self._models = models
        self._device = device
        self._measurements = measurements
        self._details = details
        self._lock = threading.Lock()
        self._task = PeriodicTask("presence", self.register, interval_s=lease_s / 3)

    def start(self) -> None:
        """Register now and start the thread that renews the registration."""
        self._task.start()

    def stop(self) -> None:
        """Stop the thread and remove the registration; it expires if Redis is unavailable."""
        self._task.stop()
        try:
            with self._lock:
                self._registry.unregister(self._worker_id)
        except LedgerUnavailable as error:
            _log.warning("Cannot unregister the worker; its registration will expire: %s", error)

    def register(self) -> None:
        """Register, or renew the registration; not after `stop`. Raises `LedgerUnavailable`."""
        with self._lock:  # the last call reports the latest state
            if not self._task.stopped:
                self._register()

    def _register(self) -> None:
        measurements, models = self._measurements.take(), self._models()
        try:
            self._registry.register(
                self._worker_id,
                models=models.loaded,
                on_demand=models.on_demand,
                loading=models.loading,
                device=self._device,
                measurements=measurements,
                details=self._details(models),
            )
        except LedgerUnavailable:
            self._measurements.put_back(measurements)
            raise
