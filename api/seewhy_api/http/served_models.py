"""Which models the workers serve, so that a client learns that nobody works on its request."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from seewhy.errors import LedgerUnavailable, ModelNotServed
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.ledger.types import ModelPresence
from seewhy.quoting import quote

MAX_AGE_S = 1.0
"""How old an answer may be. All polls of a process share one call to the ledger in this time."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How many workers serve a model, and when one last did."""

    model: str
    workers: int = 0
    last_seen_ms: int | None = None
    """None if no worker ever did."""


class ServedModels:
    """Reads the worker registry for the requests of one process."""

    def __init__(
        self,
        *,
        registry: WorkerRegistry,
        refuse_after_s: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Refuse models that no worker has had for `refuse_after_s`; None refuses none."""
        self._registry = registry
        self._refuse_after_s = refuse_after_s
        self._clock = clock
        self._lock = threading.Lock()
        self._models: dict[str, ModelPresence] = {}
        self._read_s: float | None = None

    def serving(self, model: str) -> Serving | None:
        """Return who serves a model; None if the ledger cannot say."""
        try:
            presence = self._read().get(model)
        except LedgerUnavailable:
            return None
        if presence is None:
            return Serving(model)
        return Serving(model, presence.workers, presence.last_seen_ms)

    def presence(self, model: str) -> ModelPresence | None:
        """Return the workers of a model, if it ever had any. Raises `LedgerUnavailable`."""
        return self._read().get(model)

    def require(self, model: str) -> None:
        """Raise `ModelNotServed` when no worker has had the model for too long.

        Without a limit every model is accepted: an autoscaler starts workers once jobs wait.
        """
        if self._refuse_after_s is None:
            return
        presence = self._read().get(model)
        if presence is None or (
            not presence.workers and presence.unseen_ms > self._refuse_after_s * 1000
        ):
            raise ModelNotServed(
                f"No worker has had the model {quote(model)} for {self._refuse_after_s} s. "
                "Retry later, or choose another model."
            )

    def _read(self) -> dict[str, ModelPresence]:
        with self._lock:
            now_s = self._clock()
            if self._read_s is None or now_s - self._read_s >= MAX_AGE_S:
                self._models = self._registry.model_presence()
                self._read_s = now_s
            return self._models
