"""The loaded models of a worker: threads use them, and one can be retired and then removed."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from seewhy_worker.pipeline.device import Device


@dataclass(slots=True)
class Loaded:
    """A loaded model."""

    device: Device
    used_s: float
    """When it was loaded or last used, by the clock of `LoadedModels`."""
    users: int = 0
    """How many threads use it."""
    retired: bool = False
    """Whether no further thread may use it."""


class LoadedModels:
    """Lends loaded models to threads. Thread-safe."""

    def __init__(
        self, devices: Mapping[str, Device], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with these devices, by model. `clock` returns seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._models: dict[str, Loaded] = {}
        for model, device in devices.items():
            self.add(model, device)

    def names(self) -> tuple[str, ...]:
        """Return the models that threads may use."""
        with self._lock:
            return tuple(model for model, loaded in self._models.items() if not loaded.retired)

    def engines(self) -> dict[str, str]:
        """Return what computes each model that threads may use."""
        with self._lock:
            return {
                model: loaded.device.explainer.engine
                for model, loaded in self._models.items()
                if not loaded.retired
            }

    def max_batches(self) -> dict[str, int]:
        """Return the most images that run together, of each model that threads may use."""
        with self._lock:
            return {
                model: loaded.device.max_batch
                for model, loaded in self._models.items()
                if not loaded.retired
            }

    @contextmanager
    def using(self, model: str) -> Iterator[Device | None]:
        """Keep a model loaded for the block. Yields None if threads may not use it."""
        with self._lock:
            loaded = self._models.get(model)
            if loaded is None or loaded.retired:
                loaded = None
            else:
                loaded.users += 1
        try:
            yield loaded.device if loaded else None
        finally:
            if loaded:
                with self._lock:
                    loaded.users -= 1
                    loaded.used_s = self._clock()

    def add(self, model: str, device: Device) -> None:
        """Let threads use a model."""
        with self._lock:
            self._models[model] = Loaded(device, self._clock())

    def retire(self, model: str) -> None:
        """Let no further thread use a model; those that use it finish."""
        with self._lock:
            self._models[model].retired = True

    def remove_unused(self) -> list[str]:
        """Remove the retired models that no thread uses any more; return their names."""
        with self._lock:
            unused = [
                name for name, each in self._models.items() if each.retired and not each.users
            ]
            for model in unused:
                del self._models[model]
            return unused

    def snapshot(self) -> dict[str, Loaded]:
        """Return a copy of what is loaded, retired models included."""
        with self._lock:
            return {
                model: Loaded(each.device, each.used_s, each.users, each.retired)
                for model, each in self._models.items()
            }
