"""How many workers KEDA and Kubernetes' HorizontalPodAutoscaler want: their formula, without them.

KEDA hands the backlog to the HPA as an external metric with an average value. The HPA then decides
as documented under "Algorithm details" and "Configurable scaling behavior" of Kubernetes' page on
horizontal pod autoscaling:

1. `ceil(backlog / target)`, or no change within a tolerance of 10 % of the target.
2. Down, not below the highest wish of the stabilization window.
3. Up, by the more generous of the policies; down, by the policy.
4. Between the minimum, at least 1, and the maximum.

KEDA itself starts the first worker and stops the last one (`pollingInterval`, `cooldownPeriod`).
"""

import math
from dataclasses import dataclass, field, replace

TOLERANCE = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Behavior:
    """The behavior in the chart's ScaledObject. Times in seconds."""

    up_percent: int = 100
    up_pods: int = 4
    up_period_s: float = 15
    down_percent: int = 50
    down_period_s: float = 60
    down_window_s: float = 300

    def sped_up(self, factor: float) -> "Behavior":
        """Return the same behavior with times that are shorter by a factor."""
        return replace(
            self,
            up_period_s=self.up_period_s / factor,
            down_period_s=self.down_period_s / factor,
            down_window_s=self.down_window_s / factor,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoscalerPolicy:
    """A scaled object: `target` is the backlog that one worker should have.

    The HPA decides every `sync_s`. Without workers, KEDA looks every `poll_s`; with a minimum of 0
    it stops the last worker after `cooldown_s` without a backlog. A new worker is ready after
    `cold_start_s`.
    """

    target: float
    min_workers: int = 1
    max_workers: int = 10
    behavior: Behavior = Behavior()
    sync_s: float = 15.0
    poll_s: float = 30.0
    cooldown_s: float = 300.0
    cold_start_s: float = 60.0

    def __post_init__(self) -> None:
        """Raise `ValueError` for limits that contradict each other."""
        if self.target <= 0 or min(self.sync_s, self.poll_s) <= 0:
            raise ValueError("an autoscaler needs a target and intervals greater than 0")
        if not 0 <= self.min_workers <= self.max_workers:
            raise ValueError("an autoscaler needs 0 <= min_workers <= max_workers")


@dataclass(slots=True)
class Autoscaler:
    """Decides for one pool. Call `decide` periodically, with times that never go back."""

    policy: AutoscalerPolicy
    _wishes: list[tuple[float, int]] = field(default_factory=list)
    _changes: list[tuple[float, int]] = field(default_factory=list)
    _active_s: float = 0.0

    def decide(self, now_s: float, *, backlog: float, workers: int) -> int:
        """Return how many workers there should be, and take it as done.

        `workers` counts those that are starting, too.
        """
        if backlog > 0:
            self._active_s = now_s
        wanted = self._keda(now_s, backlog, workers)
        if wanted is None:
            wanted = self._hpa(now_s, backlog, workers)
        if wanted != workers:
            self._changes.append((now_s, wanted - workers))
        return wanted

    def interval_s(self, workers: int) -> float:
        """Return the time until the next decision."""
        return self.policy.sync_s if workers else self.policy.poll_s

    def _keda(self, now_s: float, backlog: float, workers: int) -> int | None:
        """Return what KEDA decides between no worker and one; None leaves it to the HPA."""
        if self.policy.min_workers > 0:
            return None
        if workers == 0:
            return min(1, self.policy.max_workers) if backlog > 0 else 0
        return 0 if now_s - self._active_s >= self.policy.cooldown_s else None

    def _hpa(self, now_s: float, backlog: float, workers: int) -> int:
        least, most = max(1, self.policy.min_workers), self.policy.max_workers
        wish = max(least, min(most, self._wish(backlog, workers)))
        window_s = now_s - self.policy.behavior.down_window_s
        self._wishes = [each for each in self._wishes if each[0] > window_s] + [(now_s, wish)]
        if wish > workers:
            wanted = min(wish, self._most(now_s, workers))
        else:
            stabilized = min(workers, max(number for _, number in self._wishes))
            wanted = max(stabilized, self._fewest(now_s, workers))
        return max(least, min(most, wanted))

    def _wish(self, backlog: float, workers: int) -> int:
        if workers and abs(backlog / (self.policy.target * workers) - 1) <= TOLERANCE:
            return workers
        return math.ceil(backlog / self.policy.target)

    def _most(self, now_s: float, workers: int) -> int:
        behavior = self.policy.behavior
        start = self._workers_before(now_s - behavior.up_period_s, workers)
        by_percent = math.ceil(start * (1 + behavior.up_percent / 100))
        return max(workers, by_percent, start + behavior.up_pods)

    def _fewest(self, now_s: float, workers: int) -> int:
        behavior = self.policy.behavior
        start = self._workers_before(now_s - behavior.down_period_s, workers)
        return min(workers, int(start * (1 - behavior.down_percent / 100)))

    def _workers_before(self, start_s: float, workers: int) -> int:
        return workers - sum(change for at_s, change in self._changes if at_s > start_s)
