"""What a service can do at most, and at which rate it should run."""

from collections.abc import Sequence

import numpy as np

from seewhy_loadtest.measures.summary import StageSummary, job_times
from seewhy_loadtest.stages.record import StageRecord

_FIRST, _LAST = 0.1, 0.9
MAX_REFUSED_SHARE = 0.001


def saturated_rate(record: StageRecord) -> float:
    """Return how many jobs per second succeeded while jobs waited; 0 without jobs.

    Counts from a tenth of the jobs, or from the end of sending if a tenth remains then, to nine
    tenths: before, the service also receives images, and after, batches are not full.
    """
    ends_s = np.sort([each.finished_s for each in job_times(record)[0] if each.succeeded])
    if ends_s.size < 2:
        return 0.0
    first, last = int(_FIRST * ends_s.size), max(1, int(_LAST * ends_s.size) - 1)
    sent = int(np.searchsorted(ends_s, record.schedule.duration_s))
    if sent < (1 - 2 * _FIRST) * ends_s.size:
        first = max(first, sent)
    if ends_s[last] <= ends_s[first]:  # one batch
        first, last = 0, ends_s.size - 1
        return float(ends_s.size / max(ends_s[last], 1e-3))
    return float((last - first) / (ends_s[last] - ends_s[first]))


def knee(stages: Sequence[StageSummary]) -> StageSummary | None:
    """Return the stage with the greatest power, completed rate by mean latency.

    Beyond it, latency grows faster than throughput (Kleinrock 1979, Power and deterministic rules
    of thumb). None without jobs.
    """
    done = [stage for stage in stages if stage.completed_per_s > 0]
    return max(done, key=lambda stage: stage.completed_per_s / stage.mean_latency_s, default=None)


def latency_bounded(stages: Sequence[StageSummary]) -> StageSummary | None:
    """Return the stage with the highest rate at which every objective is met, if there is one.

    Nothing was lost, at most 0.1 % of the arrivals were refused or not sent, and the backlog does
    not grow.
    """
    good = [stage for stage in stages if _is_good(stage)]
    return max(good, key=lambda stage: stage.offered_per_s, default=None)


def _is_good(stage: StageSummary) -> bool:
    accounts = stage.accounts
    refused = sum(accounts.refused.values())
    return (
        bool(stage.objectives)
        and stage.objectives_met
        and not (accounts.lost or accounts.twice or accounts.open)
        and refused <= MAX_REFUSED_SHARE * accounts.arrivals
        and accounts.unsent_share <= MAX_REFUSED_SHARE
    )
