"""The figures of a stage."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seewhy_loadtest.generation.submission import Submission
from seewhy_loadtest.measures.accounts import Accounts, account
from seewhy_loadtest.measures.occupancy import (
    Floats,
    LittlesLaw,
    Slope,
    backlog_slope,
    littles_law,
)
from seewhy_loadtest.measures.percentiles import Percentile, percentile
from seewhy_loadtest.measures.recovery import Recovery, recovery
from seewhy_loadtest.measures.service_clock import ClockOffset, clock_offset
from seewhy_loadtest.stages.options import Objective
from seewhy_loadtest.stages.record import Ending, StageRecord

SHARES = (0.5, 0.95, 0.99)
STAGES = (
    "submit",
    "queue_wait",
    "prepare",
    "device_wait",
    "device",
    "render",
    "store",
    "batch_wait",
    "end_to_end",
)
"""From the intended time to the end, in order; `batch_wait` is what the worker's other times leave.
"""
_TIMINGS = {"prepare": "prepare", "device_wait": "device_wait", "device": "explain"}
_TIMINGS |= {"render": "render", "store": "store"}
WARM_UP = 0.1
"""The first part of a stage, in which the backlog builds up; it says nothing of a trend."""
MAX_PACING_S = 0.005
MAX_CPU_SHARE = 0.6
MAX_LITTLE_DEVIATION = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfCheck:
    """Whether the generator did what the schedule says."""

    pacing_p50_s: float
    pacing_p99_s: float
    """How late requests were sent."""
    cpu_share: float
    """Of a core: the busiest process."""
    cpu_per_request_s: float
    little: LittlesLaw | None
    clock: ClockOffset

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the figures of the stage may be wrong."""
        found = []
        if self.pacing_p99_s > MAX_PACING_S:
            found.append(f"1 % of the requests were sent {self.pacing_p99_s * 1000:.1f} ms late")
        if self.cpu_share > MAX_CPU_SHARE:
            found.append(f"a generator process used {self.cpu_share:.0%} of a core")
        if self.little and self.little.deviation > MAX_LITTLE_DEVIATION:
            found.append(
                f"Little's law deviates by {self.little.deviation:.1%}: "
                "the load was not steady, or the stage is short"
            )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class ObjectiveResult:
    """Whether an objective was met: by the upper confidence bound, over all arrivals."""

    objective: Objective
    measured: Percentile | None

    @property
    def is_met(self) -> bool:
        """Whether the bound is below the limit. Too few arrivals bound nothing."""
        upper = self.measured.upper if self.measured else None
        return upper is not None and upper <= self.objective.limit_s


@dataclass(frozen=True, kw_only=True, slots=True)
class StageSummary:
    """The figures of a stage. Latencies are in seconds."""

    offered_per_s: float
    sent_per_s: float
    completed_per_s: float
    """Jobs that ended well while requests were sent."""
    goodput_per_s: float
    """Arrivals that succeeded within every objective, per second."""
    accounts: Accounts
    latencies: Mapping[str, tuple[Percentile, ...]]
    """Stage of the path → percentiles, of succeeded jobs; `end_to_end` of all arrivals, where one
    without success counts as infinite."""
    mean_latency_s: float
    mean_batch: float
    backlog: Slope | None
    max_backlog: int
    drain_s: float
    """From the last intended time to the end of the last job."""
    objectives: tuple[ObjectiveResult, ...]
    self_check: SelfCheck
    recovery: Recovery | None
    processes: Mapping[str, float]
    """Process of the service → processor time in seconds."""

    @property
    def objectives_met(self) -> bool:
        """Whether all were met."""
        return all(result.is_met for result in self.objectives)


@dataclass(frozen=True, slots=True)
class JobTimes:
    """The times of a job, in seconds since the start of the stage by the generator's clock."""

    submission: Submission
    ending: Ending
    submitted_s: float
    started_s: float
    finished_s: float
    """Infinite while it is open."""

    @property
    def succeeded(self) -> bool:
        """Whether it has a result."""
        return self.ending.state == "succeeded"


def job_times(record: StageRecord) -> tuple[list[JobTimes], ClockOffset]:
    """Return the times of all jobs that have ended, and the offset of the service's clock."""
    pairs = [
        (each, record.endings[each.job_id])
        for each in record.submissions
        if each.job_id in record.endings
    ]
    clock = clock_offset(
        (record.started_at_s + each.sent_s, ending.submitted_at_s, record.started_at_s + answered_s)
        for each, ending in pairs
        if each.sent_s is not None
        and (answered_s := each.answered_s) is not None
        and ending.submitted_at_s is not None
        and each.attempts == 1
    )
    zero_s = record.started_at_s + clock.offset_s

    def since_start(at_s: float | None) -> float:
        return math.inf if at_s is None else at_s - zero_s

    times = [
        JobTimes(
            each,
            ending,
            since_start(ending.submitted_at_s),
            since_start(ending.started_at_s),
            since_start(ending.finished_at_s),
        )
        for each, ending in pairs
    ]
    return times, clock


def summarize(record: StageRecord, objectives: Sequence[Objective] = ()) -> StageSummary:
    """Compute the figures of a stage."""
    times, clock = job_times(record)
    done = [each for each in times if each.succeeded]
    duration_s = record.schedule.duration_s
    steady_s = WARM_UP * duration_s
    latencies_s = _latencies(record, done)
    begins_s, ends_s = intervals(record, times)
    limit_s = min((each.limit_s for each in objectives), default=math.inf)
    end_to_end_s = latencies_s["end_to_end"]
    sent = [each for each in record.submissions if each.sent_s is not None]
    finite_s = [each.finished_s - each.submission.intended_s for each in done]
    return StageSummary(
        offered_per_s=record.schedule.rate_per_s,
        sent_per_s=len(sent) / duration_s,
        completed_per_s=sum(each.finished_s < duration_s for each in done) / duration_s,
        goodput_per_s=sum(value <= limit_s for value in end_to_end_s if value < math.inf)
        / duration_s,
        accounts=account(record.submissions, record.endings),
        latencies={name: _percentiles(values) for name, values in latencies_s.items()},
        mean_latency_s=sum(finite_s) / len(finite_s) if finite_s else math.inf,
        mean_batch=_mean_batch(done),
        backlog=backlog_slope(begins_s, ends_s, start_s=steady_s, end_s=duration_s),
        max_backlog=_max_open(begins_s, ends_s),
        drain_s=max((each.finished_s for each in times), default=0.0) - duration_s,
        objectives=tuple(
            ObjectiveResult(each, percentile(end_to_end_s, each.share)) for each in objectives
        ),
        self_check=_self_check(
            record,
            sent,
            clock,
            littles_law(begins_s, ends_s, start_s=steady_s, end_s=duration_s),
        ),
        recovery=recovery(record.schedule, begins_s, ends_s),
        processes=record.processes,
    )


def _latencies(record: StageRecord, done: Iterable[JobTimes]) -> dict[str, list[float]]:
    """Return ascending latencies in seconds of each stage of the path."""
    values: dict[str, list[float]] = {name: [] for name in STAGES}
    for each in done:
        timings_s = {
            name: each.ending.timings_ms.get(key, 0.0) / 1000 for name, key in _TIMINGS.items()
        }
        answered_s = each.submission.answered_s or math.inf
        values["submit"].append(answered_s - each.submission.intended_s)
        values["queue_wait"].append(each.started_s - each.submitted_s)
        for name, value in timings_s.items():
            values[name].append(value)
        in_worker_s = each.finished_s - each.started_s
        values["batch_wait"].append(max(0.0, in_worker_s - sum(timings_s.values())))
        values["end_to_end"].append(each.finished_s - each.submission.intended_s)
    missing = len(record.submissions) - len(values["end_to_end"])
    values["end_to_end"] += [math.inf] * missing
    return {name: sorted(each) for name, each in values.items()}


def _percentiles(ascending: Sequence[float]) -> tuple[Percentile, ...]:
    found = (percentile(ascending, share) for share in SHARES)
    return tuple(each for each in found if each)


def intervals(record: StageRecord, times: Iterable[JobTimes]) -> tuple[Floats, Floats]:
    """Return when each accepted job was sent, and when it ended; infinity if it has not."""
    ends = {each.submission.job_id: each.finished_s for each in times}
    jobs = [
        (each.sent_s, ends.get(each.job_id, math.inf)) for each in record.submissions if each.job_id
    ]
    pairs = np.array(jobs, dtype=np.float64).reshape(-1, 2)
    # Timestamps of the service are rounded down to milliseconds.
    return pairs[:, 0], np.maximum(pairs[:, 0], pairs[:, 1])


def _max_open(
    begins_s: Floats,
    ends_s: Floats,
) -> int:
    moments = np.concatenate([begins_s, ends_s])
    changes = np.concatenate([np.ones_like(begins_s), -np.ones_like(ends_s)])
    order = np.lexsort((changes, moments))
    return int(np.cumsum(changes[order]).max(initial=0))


def _mean_batch(done: Sequence[JobTimes]) -> float:
    """Return jobs per batch: those of one batch have the same device time, to the nanosecond."""
    batches = {each.ending.timings_ms.get("explain") for each in done}
    return len(done) / len(batches) if batches else 0.0


def _self_check(
    record: StageRecord,
    sent: Sequence[Submission],
    clock: ClockOffset,
    little: LittlesLaw | None,
) -> SelfCheck:
    late_s = sorted((each.sent_s or 0.0) - each.intended_s for each in sent)
    p50, p99 = (percentile(late_s, share) for share in (0.5, 0.99))
    return SelfCheck(
        pacing_p50_s=p50.value if p50 else 0.0,
        pacing_p99_s=p99.value if p99 else 0.0,
        cpu_share=max(use.cpu_s / use.wall_s for use in record.generators),
        cpu_per_request_s=sum(use.cpu_s for use in record.generators) / max(1, len(sent)),
        little=little,
        clock=clock,
    )
