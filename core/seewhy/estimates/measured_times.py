"""What the workers measured, read from the ledger and summed up."""

import contextlib
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seewhy.errors import LedgerUnavailable
from seewhy.ledger.ports.workers import WorkerRegistry
from seewhy.ledger.types import DeviceTimes

MAX_AGE_S = 5.0
"""How old an answer may be: workers report every ten seconds."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The median and the 90th percentile of some values."""

    p50: float
    p90: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Quantiles":
        """Interpolate between the values, of which there must be at least one."""
        if len(values) == 1:
            return cls(values[0], values[0])
        tenths = statistics.quantiles(values, n=10, method="inclusive")
        return cls(statistics.median(values), tenths[8])


class MeasuredTimes:
    """Reads the measurements of all models for one process. Thread-safe."""

    def __init__(
        self, registry: WorkerRegistry, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read `registry` at most once in `MAX_AGE_S`."""
        self._registry = registry
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, DeviceTimes] = {}
        self._read_s: float | None = None

    def of(self, model: str) -> DeviceTimes:
        """Return the measurements of a model; the last ones known if the ledger cannot say."""
        with self._lock:
            now_s = self._clock()
            if self._read_s is None or now_s - self._read_s >= MAX_AGE_S:
                self._read_s = now_s
                with contextlib.suppress(LedgerUnavailable):  # no reason to refuse a request
                    self._times = self._registry.device_times()
            return self._times.get(model, {})
