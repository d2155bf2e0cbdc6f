"""What a simulation returns: times of the jobs, the workers over time, and what they sum up to."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seewhy.capacity.arrivals import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class SimulationOutcome:
    """Times in seconds; arrays of jobs have the shape (jobs,), in the order of their arrival.

    A refused job has no end: NaN.
    """

    arrived_s: FloatArray
    claimed_s: FloatArray
    finished_s: FloatArray
    batches: int
    device_s: float
    """How long all devices were busy."""
    worker_s: float
    """How long all workers existed, from their start until they were removed."""
    workers: tuple[tuple[float, int], ...]
    """(time, number of workers that are ready or starting) at each change."""
    crashes: int

    @cached_property
    def latencies_s(self) -> FloatArray:
        """From arrival to end, of the jobs that were accepted."""
        latencies = self.finished_s - self.arrived_s
        return latencies[~np.isnan(latencies)]

    @cached_property
    def waits_s(self) -> FloatArray:
        """From arrival to claim, of the jobs that were accepted."""
        waits = self.claimed_s - self.arrived_s
        return waits[~np.isnan(waits)]

    @property
    def refused(self) -> int:
        """Jobs that met a full queue."""
        return len(self.arrived_s) - len(self.latencies_s)

    @property
    def end_s(self) -> float:
        """When the last job ended."""
        return float(np.nanmax(self.finished_s))

    @property
    def mean_batch(self) -> float:
        """Images per batch."""
        return len(self.latencies_s) / self.batches

    def latency_s(self, percent: float, *, after_s: float = 0.0) -> float:
        """Return a percentile of the latencies of jobs that arrived at `after_s` or later."""
        late = (self.finished_s - self.arrived_s)[self.arrived_s >= after_s]
        return float(np.nanpercentile(late, percent))

    def throughput(self, start_s: float, end_s: float) -> float:
        """Return the jobs that ended per second between two times."""
        ended = np.sum((self.finished_s >= start_s) & (self.finished_s < end_s))
        return float(ended) / (end_s - start_s)

    def open_jobs(self, at_s: FloatArray) -> IntArray:
        """Return the number of open jobs at each of these times."""
        kept = ~np.isnan(self.finished_s)
        arrived = np.searchsorted(self.arrived_s[kept], at_s, side="right")
        return arrived - np.searchsorted(np.sort(self.finished_s[kept]), at_s, side="right")

    def mean_open_jobs(self) -> float:
        """Return the mean number of open jobs between the first arrival and the last end."""
        return float(np.sum(self.latencies_s)) / (self.end_s - float(self.arrived_s[0]))
