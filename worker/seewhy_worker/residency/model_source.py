"""Where a worker gets models from, and how a load is observed."""

import logging
import time
from typing import Protocol

from seewhy_worker.explain.types import Explainer
from seewhy_worker.residency import metrics

_log = logging.getLogger(__name__)


class ModelSource(Protocol):
    """Loads models by name, one at a time."""

    @property
    def device(self) -> str:
        """The kind of device that the models run on."""
        ...

    @property
    def engine(self) -> str:
        """What computes the maps, with its version."""
        ...

    def expected_bytes(self, name: str) -> int:
        """Estimate the memory of a model that was not loaded yet. Raises as `load`."""
        ...

    def load(self, name: str) -> Explainer:
        """Load and warm up a model. Raises `SeewhyError`."""
        ...

    def release_memory(self) -> None:
        """Give the memory of models that nothing refers to any more back to the system."""
        ...


def load_timed(source: ModelSource, name: str) -> tuple[Explainer, float]:
    """Load a model; also return how many seconds that took. Raises as `ModelSource.load`."""
    started_s = time.perf_counter()
    try:
        explainer = source.load(name)
    except BaseException:
        metrics.LOADS.labels(name, "failed").inc()
        raise
    load_s = time.perf_counter() - started_s
    metrics.LOADS.labels(name, "loaded").inc()
    metrics.LOAD_SECONDS.labels(name).observe(load_s)
    metrics.MODEL_BYTES.labels(name).set(explainer.memory_bytes)
    _log.info(
        "Loaded %s in %.1f s; it takes %.0f MB", name, load_s, explainer.memory_bytes / 1_000_000
    )
    return explainer, load_s
