"""The formula of KEDA and the HorizontalPodAutoscaler, for a metric with an average value.

Sources: the algorithm details of the Kubernetes documentation on horizontal pod autoscaling, and
KEDA's documentation of `pollingInterval` and `cooldownPeriod`.
"""

import math
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoscalerPolicy:
    """A scaled object on the backlog: open jobs, or the device time that they need.

    `target` is the backlog for each worker. Between 1 and `max_workers` the HPA decides, every
    `sync_s`; KEDA starts the first worker, at its next poll, and stops the last one after
    `cooldown_s` without a backlog. The HPA at most doubles the workers in a step, or adds four, and
    starts to remove workers only when none of the last `stabilization_s` needed them. A new worker
    is ready after `cold_start_s`.
    """

    target: float
    min_workers: int = 1
    max_workers: int = 10
    sync_s: float = 15.0
    poll_s: float = 30.0
    cooldown_s: float = 300.0
    stabilization_s: float = 300.0
    tolerance: float = 0.1
    cold_start_s: float = 60.0

    def __post_init__(self) -> None:
        """Raise `ValueError` for limits that contradict each other."""
        if self.target <= 0 or min(self.sync_s, self.poll_s) <= 0:
            raise ValueError("an autoscaler needs a target and intervals greater than 0")
        if not 0 <= self.min_workers <= self.max_workers:
            raise ValueError("an autoscaler needs 0 <= min_workers <= max_workers")


def desired_workers(backlog: float, workers: int, policy: AutoscalerPolicy) -> int:
    """Return what the HPA recommends for a backlog, before limits and stabilization."""
    if workers and abs(backlog / (policy.target * workers) - 1) <= policy.tolerance:
        return workers
    return math.ceil(backlog / policy.target)


@dataclass(slots=True)
class Autoscaler:
    """The state behind the decisions: recent recommendations, and when there was a backlog."""

    policy: AutoscalerPolicy
    _recommended: deque[tuple[float, int]] = field(default_factory=deque)
    _active_s: float = 0.0

    def decide(self, now_s: float, backlog: float, workers: int) -> int:
        """Return how many workers there must be from now on, counting those that are starting."""
        policy = self.policy
        if backlog > 0:
            self._active_s = now_s
        if workers == 0:
            return min(1, policy.max_workers) if backlog > 0 else policy.min_workers
        if policy.min_workers == 0 and now_s - self._active_s >= policy.cooldown_s:
            self._recommended.clear()
            return 0
        recommended = desired_workers(backlog, workers, policy)
        self._recommended.append((now_s, recommended))
        while self._recommended[0][0] < now_s - policy.stabilization_s:
            self._recommended.popleft()
        if recommended > workers:
            wanted = min(recommended, max(2 * workers, workers + 4))
        else:
            wanted = min(workers, max(count for _, count in self._recommended))
        return max(1, policy.min_workers, min(wanted, policy.max_workers))

    def interval_s(self, workers: int) -> float:
        """Return the time until the next decision."""
        return self.policy.sync_s if workers else self.policy.poll_s
