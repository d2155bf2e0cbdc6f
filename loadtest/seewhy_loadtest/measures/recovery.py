"""How a service recovers from a burst, and how long that should take."""

from dataclasses import dataclass

import numpy as np

from seewhy_loadtest.generation.schedules import Schedule
from seewhy_loadtest.measures.occupancy import Floats, mean_occupancy

_WINDOW_S = 1.0
_SETTLING = 0.2
"""The share of the burst after which the service is taken to be saturated."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """The time from the end of a burst until the backlog is what it was before."""

    peak_jobs: float
    """Open jobs at the end of the burst."""
    before_jobs: float
    saturated_per_s: float
    """Jobs that ended per second during the burst."""
    predicted_s: float | None
    """(peak - before) / (saturated rate - rate after the burst); None if that never ends."""
    measured_s: float | None
    """None if it did not recover."""


def recovery(schedule: Schedule, begins_s: Floats, ends_s: Floats) -> Recovery | None:
    """Measure the recovery from the step with the highest rate; None for a single step."""
    if len(schedule.steps) < 2 or begins_s.size == 0:
        return None
    edges = np.cumsum([0.0, *(step.duration_s for step in schedule.steps)])
    burst = max(range(len(schedule.steps)), key=lambda n: schedule.steps[n].rate_per_s)
    start_s, end_s = float(edges[burst]), float(edges[burst + 1])

    def occupancy(first_s: float, last_s: float) -> float:
        return mean_occupancy(begins_s, ends_s, start_s=first_s, end_s=last_s)

    before = occupancy(start_s / 2, start_s) if start_s else 0.0
    peak = occupancy(end_s - 0.1, end_s)
    settled_s = start_s + _SETTLING * (end_s - start_s)
    ended = ((ends_s >= settled_s) & (ends_s < end_s)).sum()
    saturated_per_s = float(ended / (end_s - settled_s))
    after = schedule.steps[burst + 1].rate_per_s if burst + 1 < len(schedule.steps) else 0.0
    spare_per_s = saturated_per_s - after
    predicted_s = max(0.0, peak - before) / spare_per_s if spare_per_s > 0 else None
    finite_s = ends_s[np.isfinite(ends_s)]
    last_s = float(finite_s.max(initial=end_s)) + 2 * _WINDOW_S
    measured_s = next(
        (
            float(at_s - end_s)
            for at_s in np.arange(end_s, last_s, 0.1)
            if occupancy(at_s - _WINDOW_S / 2, at_s + _WINDOW_S / 2) <= max(before, 1.0)
        ),
        None,
    )
    return Recovery(peak, before, saturated_per_s, predicted_s, measured_s)
