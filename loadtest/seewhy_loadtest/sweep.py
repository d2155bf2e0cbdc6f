"""A sweep: saturates the service, then loads it at rising rates until it cannot keep up."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seewhy_loadtest.generation.schedules import ScheduleKind, Step, make_schedule
from seewhy_loadtest.measures.saturation import saturated_rate
from seewhy_loadtest.measures.summary import StageSummary, summarize
from seewhy_loadtest.stages.options import LoadOptions
from seewhy_loadtest.stages.record import StageRecord
from seewhy_loadtest.stages.stage import run_stage

CONSTANT = ScheduleKind.CONSTANT
PROBE_JOBS = 64
PROBE_RATE_PER_S = 500.0
EXCESS = 3.0
"""How many times the measured rate is sent to saturate the service."""
SETTLED_SHARE = 0.02
"""A backlog that grows by less than this share of the rate does not end the sweep."""

Run = Callable[[Sequence[Step], ScheduleKind, int], StageRecord]


@dataclass(frozen=True, slots=True)
class Sweep:
    """The stages of a sweep."""

    saturation: StageRecord | None
    saturated_per_s: float | None
    """Jobs per second with a backlog; None when all rates were given as numbers."""
    stages: tuple[tuple[StageRecord, StageSummary], ...]


def run_sweep(
    options: LoadOptions, *, url: str, images: Sequence[bytes], progress: Callable[[str], object]
) -> Sweep:
    """Run the stages; `progress` gets a line about each. Raises `GeneratorFailed`."""

    def run(steps: Sequence[Step], kind: ScheduleKind, seed: int) -> StageRecord:
        schedule = make_schedule(kind, steps, seed=seed)
        return asyncio.run(run_stage(options, schedule, url=url, images=images))

    saturation, saturated_per_s = None, None
    if any(rate.is_share for rate in options.rates):
        saturation, saturated_per_s = _saturate(run, options)
        progress(f"saturated: {saturated_per_s:.1f} jobs/s")
    stages = []
    for number, rate in enumerate(options.rates):
        rate_per_s = rate.per_s(saturated_per_s)
        steps = (Step(rate_per_s, options.duration),)
        record = run(steps, options.schedule, options.seed + number)
        summary = summarize(record, options.objectives)
        stages.append((record, summary))
        progress(f"{rate_per_s:.1f}/s: {summary.completed_per_s:.1f} jobs/s")
        if _is_overloaded(summary) and not options.keep_going:
            break
    return Sweep(saturation, saturated_per_s, tuple(stages))


def _saturate(run: Run, options: LoadOptions) -> tuple[StageRecord, float]:
    """Measure the rate with a backlog: first with a few jobs, then for the duration of a stage."""
    probe = run((Step(PROBE_RATE_PER_S, PROBE_JOBS / PROBE_RATE_PER_S),), CONSTANT, options.seed)
    rate_per_s = saturated_rate(probe)
    steps = (Step(EXCESS * rate_per_s, options.duration / EXCESS),)
    record = run(steps, CONSTANT, options.seed)
    return record, saturated_rate(record)


def _is_overloaded(summary: StageSummary) -> bool:
    backlog = summary.backlog
    return (
        backlog is not None
        and backlog.is_positive
        and backlog.jobs_per_s > SETTLED_SHARE * summary.offered_per_s
    )
