"""The charts of a report."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from seewhy_loadtest.measures.occupancy import Floats, mean_occupancy
from seewhy_loadtest.measures.summary import StageSummary, intervals, job_times
from seewhy_loadtest.report.charts import Chart, Line
from seewhy_loadtest.stages.record import StageRecord

_POINTS = 120
_NAMES = ("p50", "p95", "p99")


def sweep_charts(stages: Sequence[StageSummary], *, saturated_per_s: float | None) -> list[Chart]:
    """Return latency and throughput over the offered rate."""
    offered = [stage.offered_per_s for stage in stages]
    latencies_ms = [
        [stage.latencies["end_to_end"][n].value * 1000 for stage in stages] for n in range(3)
    ]
    limits_ms = sorted({each.objective.limit_s * 1000 for s in stages for each in s.objectives})
    ends = [0.0, max(offered)]
    completed = [stage.completed_per_s for stage in stages]
    rates = [
        Line("completed", offered, completed, marked=True),
        Line("offered", ends, ends, dashed=True),
    ]
    if saturated_per_s is not None:
        rates.append(Line("saturated", ends, [saturated_per_s] * 2, dashed=True))
    return [
        Chart(
            "End-to-end latency by rate",
            "offered requests/s",
            "ms",
            [
                *(
                    Line(name, offered, values, marked=True)
                    for name, values in zip(_NAMES, latencies_ms, strict=True)
                ),
                *(Line("objective", ends, [limit] * 2, dashed=True) for limit in limits_ms[:1]),
            ],
            log_y=True,
        ),
        Chart("Throughput by rate", "offered requests/s", "jobs/s", rates),
    ]


def stage_charts(record: StageRecord, summary: StageSummary) -> list[Chart]:
    """Return latency and backlog over the time of a stage, and how latencies are distributed."""
    at = f"at {summary.offered_per_s:.1f}/s"
    return [_latency_over_time(record, at), _backlog(record, at), _distribution(record, at)]


def _latency_over_time(record: StageRecord, at: str) -> Chart:
    done = [each for each in job_times(record)[0] if each.succeeded]
    intended_s = np.array([each.submission.intended_s for each in done])
    latency_ms = 1000 * (np.array([each.finished_s for each in done]) - intended_s)
    edges = np.linspace(0, record.schedule.duration_s, min(_POINTS, max(4, len(done) // 20)) + 1)
    part = np.digitize(intended_s, edges[1:-1])
    middles = (edges[:-1] + edges[1:]) / 2

    def values(share: float) -> list[float]:
        found = [latency_ms[part == n] for n in range(len(middles))]
        return [float(np.quantile(each, share)) if each.size else math.nan for each in found]

    lines = [
        Line("p50", middles.tolist(), values(0.5)),
        Line("p95", middles.tolist(), values(0.95)),
    ]
    return Chart(f"End-to-end latency {at}", "intended time, s", "ms", lines)


def _backlog(record: StageRecord, at: str) -> Chart:
    begins_s, ends_s = intervals(record, job_times(record)[0])
    finite_s = ends_s[np.isfinite(ends_s)]
    last_s = max(record.schedule.duration_s, float(finite_s.max(initial=0.0)))
    return Chart(
        f"Open jobs {at}", "s", "jobs", [Line("open", *_occupancy(begins_s, ends_s, last_s))]
    )


def _occupancy(begins_s: Floats, ends_s: Floats, last_s: float) -> tuple[list[float], list[float]]:
    edges = np.linspace(0, last_s, _POINTS + 1)
    means = [
        mean_occupancy(begins_s, ends_s, start_s=float(first), end_s=float(last))
        for first, last in pairwise(edges)
    ]
    return ((edges[:-1] + edges[1:]) / 2).tolist(), means


def _distribution(record: StageRecord, at: str) -> Chart:
    """Draw the share of arrivals that take longer, so that the tail can be read."""
    done = [each for each in job_times(record)[0] if each.succeeded]
    latency_ms = np.sort([1000 * (each.finished_s - each.submission.intended_s) for each in done])
    count = max(1, len(record.submissions))
    ranks = np.unique(np.geomspace(1, max(1, latency_ms.size), _POINTS).astype(int))[::-1]
    kept = [int(latency_ms.size - rank) for rank in ranks] if latency_ms.size else []
    longer = [100 * (1 - (position + 1) / count) for position in kept]
    values = [float(latency_ms[position]) for position in kept]
    return Chart(
        f"Arrivals that take longer, {at}",
        "ms",
        "% of arrivals",
        [Line("", values, longer)],
        log_y=True,
    )
