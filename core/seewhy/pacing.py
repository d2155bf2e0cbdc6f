"""Pacing: when a worker claims its next batch, so that it is prepared when the device is free.

A job that is claimed earlier waits in the worker instead of the queue: no free worker can take it,
no urgent job overtakes it, and its batch is smaller than it could be. One that is claimed later
leaves the device idle. The simulation of `seewhy.capacity` uses the same code.
"""

import math
from dataclasses import dataclass, field

KEPT = 0.9
"""The weight of what was measured before, each time that a batch is measured."""


TOLERANCE_S = 1e-6
"""Times that differ by less are the same."""
UNKNOWN_BATCHES = 2
"""How many batches are claimed at once before the time of one is known."""


@dataclass(slots=True)
class BatchTimes:
    """The device time of a batch by its cost: a line through recent batches, by least squares.

    Recent ones have more weight. Nothing is expected before the first one.
    """

    _weight: float = 0.0
    """0 before the first batch."""
    _cost: float = 0.0
    _time_s: float = 0.0
    _cost_cost: float = 0.0
    _cost_time: float = 0.0

    @property
    def are_known(self) -> bool:
        """Whether a batch was added."""
        return self._weight > 0

    def add(self, cost: float, time_s: float) -> None:
        """Add a batch."""
        self._weight = KEPT * self._weight + 1
        self._cost = KEPT * self._cost + cost
        self._time_s = KEPT * self._time_s + time_s
        self._cost_cost = KEPT * self._cost_cost + cost * cost
        self._cost_time = KEPT * self._cost_time + cost * time_s

    def expected_s(self, cost: float) -> float:
        """Return the expected device time of a batch in seconds."""
        if not self.are_known or not self._cost:
            return 0.0
        mean_cost, mean_s = self._cost / self._weight, self._time_s / self._weight
        variance = self._cost_cost / self._weight - mean_cost**2
        if variance < (0.01 * mean_cost) ** 2:  # all cost the same: take the least for another
            return mean_s * min(1.0, cost / mean_cost)
        covariance = self._cost_time / self._weight - mean_cost * mean_s
        slope = min(max(covariance / variance, 0.0), mean_s / mean_cost)
        return mean_s + slope * (cost - mean_cost)


@dataclass(slots=True)
class LeadTime:
    """How long before the device is free a batch is claimed: the mean, and four mean deviations.

    The estimator of TCP's retransmission timeout (RFC 6298, section 2).
    """

    value_s: float = 0.0
    _mean_s: float | None = None
    _deviation_s: float = 0.0

    def add(self, needed_s: float) -> None:
        """Add what would have been long enough for a batch."""
        if self._mean_s is None:
            self._mean_s, self._deviation_s = needed_s, needed_s / 2
        else:
            self._deviation_s += (abs(needed_s - self._mean_s) - self._deviation_s) / 4
            self._mean_s += (needed_s - self._mean_s) / 8
        self.value_s = self._mean_s + 4 * self._deviation_s


@dataclass(slots=True, eq=False)
class PacedBatch:
    """A claimed batch on its way to the device."""

    cost: float
    claimed_s: float
    prepared_s: float = math.inf


@dataclass(slots=True)
class Pacing:
    """Follows the batches of one device from their claims on. All times are points on one clock."""

    times: BatchTimes = field(default_factory=BatchTimes)
    lead: LeadTime = field(default_factory=LeadTime)
    _batches: list[PacedBatch] = field(default_factory=list)
    """Those that are not off the device yet, in the order of their claims."""
    _free_s: float = -math.inf
    """When the last batch was off the device."""

    def wait_s(self, now_s: float) -> float:
        """Return how long to wait before the next claim; infinity until a batch has advanced.

        It is time when the batches that are claimed keep the device busy no longer than the next
        one takes to prepare. When preparing takes longer than the device, several are prepared at
        once. Before a time is known, two batches are claimed.
        """
        if not self.times.are_known:
            return 0.0 if len(self._batches) < UNKNOWN_BATCHES else math.inf
        left_s, rest_s = self._left_s(now_s)
        wait_s = left_s + rest_s - self.lead.value_s
        if not self._batches or wait_s <= TOLERANCE_S:
            return 0.0
        return wait_s if wait_s <= left_s else math.inf

    def claim(self, now_s: float, cost: float) -> PacedBatch:
        """Add a batch that was claimed."""
        batch = PacedBatch(cost, now_s)
        self._batches.append(batch)
        return batch

    def prepare(self, batch: PacedBatch, now_s: float, cost: float) -> None:
        """Note that a batch is ready for the device, and what is left of its cost."""
        batch.prepared_s, batch.cost = now_s, cost

    def end(self, batch: PacedBatch, now_s: float, device_s: float | None = None) -> None:
        """Note that a batch is off the device. `device_s` is what it took, if that says anything.

        The next one must be claimed earlier by the time that a batch takes to prepare, and by that
        for which the device is free before it is expected.
        """
        if batch not in self._batches:
            return
        self._batches.remove(batch)
        if device_s is not None:
            early_s = max(0.0, self.times.expected_s(batch.cost) - device_s)
            self.lead.add(batch.prepared_s - batch.claimed_s + early_s)
            self.times.add(batch.cost, device_s)
        self._free_s = now_s

    def _left_s(self, now_s: float) -> tuple[float, float]:
        """Return the expected device time left of the running batch, and that of the others."""
        total_s = sum(self.times.expected_s(batch.cost) for batch in self._batches)
        running = min(self._batches, key=lambda batch: batch.prepared_s, default=None)
        if running is None or running.prepared_s > now_s:
            return 0.0, total_s
        expected_s = self.times.expected_s(running.cost)
        elapsed_s = now_s - max(running.prepared_s, self._free_s)
        return max(0.0, expected_s - elapsed_s), total_s - expected_s
