"""Presence: a worker that runs jobs is in the worker registry."""

import logging
from collections.abc import Callable, Sequence

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.ledger.types import WorkerDetails
from seewhy.periodic import PeriodicTask
from seewhy_worker.pipeline.measurements import Measurements

_log = logging.getLogger(__name__)


class Presence:
    """Registers a worker, and renews the registration, between `start` and `stop`."""

    def __init__(
        self,
        *,
        registry: WorkerRegistry,
        worker_id: str,
        models: Sequence[str],
        device: str,
        measurements: Measurements,
        details: Callable[[], WorkerDetails],
        lease_s: float,
    ) -> None:
        """Renew three times per lease, so that one failed call does not let it expire.

        Each time, report `details()` and what was added to `measurements`.
        """
        self._registry = registry
        self._worker_id = worker_id
        self._models = tuple(models)
        self._device = device
        self._measurements = measurements
        self._details = details
        self._task = PeriodicTask("presence", self.register, interval_s=lease_s / 3)

    def start(self) -> None:
        """Register now and start the thread that renews the registration."""
        self._task.start()

    def stop(self) -> None:
        """Stop the thread and remove the registration; it expires if Redis is unavailable."""
        self._task.stop()
        try:
            self._registry.unregister(self._worker_id)
        except LedgerUnavailable as error:
            _log.warning("Cannot unregister the worker; its registration will expire: %s", error)

    def register(self) -> None:
        """Register, or renew the registration. Raises `LedgerUnavailable`."""
        measurements = self._measurements.take()
        try:
            self._registry.register(
                self._worker_id,
                models=self._models,
                device=self._device,
                measurements=measurements,
                details=self._details(),
            )
        except LedgerUnavailable:
            self._measurements.put_back(measurements)
            raise
