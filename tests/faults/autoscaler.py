"""How many workers KEDA and Kubernetes' HorizontalPodAutoscaler want: their formula, without them.

KEDA hands the sum of the backlog to the HPA as an external metric with an average value. The HPA
then decides as documented under "Algorithm details" and "Configurable scaling behavior" of
Kubernetes' page on horizontal pod autoscaling:

1. `ceil(backlog / target)`, or no change within a tolerance of 10 % of the target.
2. Down, not below the highest wish of the stabilization window.
3. Up, by the more generous of the policies; down, by the policy.
4. Between `minimum` and `maximum`.
"""

import math
from dataclasses import dataclass, field

TOLERANCE = 0.1


@dataclass(frozen=True, kw_only=True)
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
        return Behavior(
            up_percent=self.up_percent,
            up_pods=self.up_pods,
            up_period_s=self.up_period_s / factor,
            down_percent=self.down_percent,
            down_period_s=self.down_period_s / factor,
            down_window_s=self.down_window_s / factor,
        )


@dataclass(kw_only=True)
class Autoscaler:
    """Decides for one pool. Call `decide` periodically, with times that never go back."""

    target: float
    """The backlog that one worker should have."""
    minimum: int
    maximum: int
    behavior: Behavior = Behavior()
    _wishes: list[tuple[float, int]] = field(default_factory=list)
    _changes: list[tuple[float, int]] = field(default_factory=list)

    def decide(self, now_s: float, *, backlog: float, replicas: int) -> int:
        """Return how many workers there should be, and take it as done."""
        wish = max(self.minimum, min(self.maximum, self._wish(backlog, replicas)))
        self._wishes = [
            each for each in self._wishes if each[0] > now_s - self.behavior.down_window_s
        ] + [(now_s, wish)]
        if wish > replicas:
            wanted = min(wish, self._most(now_s, replicas))
        else:
            stabilized = min(replicas, max(number for _, number in self._wishes))
            wanted = max(stabilized, self._fewest(now_s, replicas))
        wanted = max(self.minimum, min(self.maximum, wanted))
        if wanted != replicas:
            self._changes.append((now_s, wanted - replicas))
        return wanted

    def _wish(self, backlog: float, replicas: int) -> int:
        if replicas and abs(backlog / (self.target * replicas) - 1) <= TOLERANCE:
            return replicas
        return math.ceil(backlog / self.target)

    def _most(self, now_s: float, replicas: int) -> int:
        start = self._replicas_before(now_s - self.behavior.up_period_s, replicas)
        by_percent = math.ceil(start * (1 + self.behavior.up_percent / 100))
        return max(replicas, by_percent, start + self.behavior.up_pods)

    def _fewest(self, now_s: float, replicas: int) -> int:
        start = self._replicas_before(now_s - self.behavior.down_period_s, replicas)
        return min(replicas, int(start * (1 - self.behavior.down_percent / 100)))

    def _replicas_before(self, start_s: float, replicas: int) -> int:
        return replicas - sum(change for at_s, change in self._changes if at_s > start_s)
