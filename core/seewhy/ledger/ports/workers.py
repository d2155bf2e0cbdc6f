"""The running workers, as workers and health checks see them."""

from collections.abc import Sequence
from typing import Protocol

from seewhy.ledger.types import (
    NO_DETAILS,
    DeviceTimes,
    Measurement,
    ModelDemand,
    ModelPresence,
    RegisteredWorker,
    WorkerDetails,
)


class WorkerRegistry(Protocol):
    """Lists running workers. Every method is one atomic step and raises `LedgerUnavailable`.

    A registration expires after `LedgerPolicy.lease_ms`. It has no effect on claims.
    """

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
        """Add a worker, or renew its registration, and keep what it measured on its device.

        `models` are those that it has loaded, `on_demand` those that it would load.
        """
        ...

    def begin_load(self, worker_id: str, model: str, *, others: int) -> bool:
        """List a registered worker as loading a model.

        False, and nothing changes, if more than `others` other workers have or load the model, or
        the worker is not registered.
        """
        ...

    def demand(self, worker_id: str, models: Sequence[str]) -> dict[str, ModelDemand]:
        """Return the ready jobs of each model, and the other workers that are there for them."""
        ...

    def unregister(self, worker_id: str) -> None:
        """Remove a worker. Removing an unknown worker changes nothing."""
        ...

    def unregister_all(self) -> None:
        """Remove all workers."""
        ...

    def list_workers(self) -> list[RegisteredWorker]:
        """List the workers whose registration has not expired, the oldest first."""
        ...

    def model_presence(self) -> dict[str, ModelPresence]:
        """Return, by name, all models that a worker has served, now or ever before."""
        ...

    def device_times(self) -> dict[str, DeviceTimes]:
        """Return what workers measured, by model: the last `MEASURED_VALUES` of each kind.

        The measurements of a model are kept for 30 days after the last one.
        """
        ...
