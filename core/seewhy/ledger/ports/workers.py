"""The running workers, as workers and health checks see them."""

from collections.abc import Sequence
from typing import Protocol

from seewhy.ledger.types import (
    NO_DETAILS,
    DeviceTimes,
    Measurement,
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
    ) -> None:
        """Add a worker, or renew its registration, and keep what it measured on its device."""
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
        """Return, by name, all models that a worker has registered, now or ever before."""
        ...

    def device_times(self) -> dict[str, DeviceTimes]:
        """Return what workers measured, by model: the last `MEASURED_VALUES` of each kind.

        The measurements of a model are kept for 30 days after the last one.
        """
        ...
