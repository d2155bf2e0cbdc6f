"""The running workers, as operators see them: one shape for the API and the command line."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from seewhy.ledger.types import RegisteredWorker


class Worker(BaseModel):
    """A worker that runs jobs of all tenants."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)

    id: str = Field(description="Its host, its process id, and a random part.")
    models: tuple[str, ...] = Field(description="The models that it has loaded.")
    on_demand: tuple[str, ...] = Field(
        description="The models that it would load if their jobs waited."
    )
    loading: str | None = Field(description="The model that it is loading.")
    failed_loads: dict[str, str] = Field(
        description="By model, why it could not be loaded the last time."
    )
    model_bytes: dict[str, int] = Field(
        description="By loaded model, the memory that it takes, in bytes."
    )
    device: str = Field(description="The kind of device: `cpu`, or the name of a GPU.")
    pinned_to: str = Field(
        description="The GPU or the processor cores that it is pinned to; empty if it is not."
    )
    engine: str = Field(
        description="What computes its models, with version and precision; by model if they differ."
    )
    max_batch: dict[str, int] = Field(
        description="By model, the most images that it explains together."
    )
    version: str = Field(description="The version of seewhy.")
    jobs: int = Field(description="How many jobs it had claimed when it was last seen.")
    images_per_s: dict[str, float] = Field(
        description="By model, the images that it explained lately for each second of device time."
    )
    started_at: AwareDatetime
    seen_at: AwareDatetime = Field(description="Its last sign of life.")


def worker_list(workers: Sequence[RegisteredWorker]) -> tuple[Worker, ...]:
    """Describe workers, in their order."""
    return tuple(
        Worker(
            id=worker.worker_id,
            models=worker.models,
            on_demand=worker.on_demand,
            loading=worker.loading or None,
            failed_loads=dict(worker.details.failed_loads),
            model_bytes=dict(worker.details.model_bytes),
            device=worker.device,
            pinned_to=worker.details.pinned_to,
            engine=worker.details.engine,
            max_batch=dict(worker.details.max_batch),
            version=worker.details.version,
            jobs=worker.details.jobs,
            images_per_s=dict(worker.details.images_per_s),
            started_at=datetime.fromtimestamp(worker.started_ms / 1000, UTC),
            seen_at=datetime.fromtimestamp(worker.seen_ms / 1000, UTC),
        )
        for worker in workers
    )
