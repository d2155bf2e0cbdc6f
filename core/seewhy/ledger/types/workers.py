"""Workers that are running now."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegisteredWorker:
    """A worker that runs jobs, and the models that it has loaded."""

    worker_id: str
    models: tuple[str, ...]
    started_ms: int
    seen_ms: int
    """When it last renewed its registration."""


@dataclass(frozen=True, slots=True)
class ModelPresence:
    """The workers that have a model loaded, now or before."""

    workers: int
    last_seen_ms: int
    """When one of them last renewed its registration."""
    unseen_ms: int
    """How long ago that was, by the ledger's clock."""
