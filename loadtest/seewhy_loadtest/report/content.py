"""What a report says: its blocks, from the figures of a run."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seewhy_loadtest.measures.percentiles import least_count
from seewhy_loadtest.measures.saturation import knee, latency_bounded
from seewhy_loadtest.measures.summary import STAGES, StageSummary
from seewhy_loadtest.report.blocks import Block, Bullets, Charts, Code, Heading, Table, Text
from seewhy_loadtest.report.figures import stage_charts, sweep_charts
from seewhy_loadtest.stages.record import StageRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """The stages of a run, and what is wrong with them."""

    header: Mapping[str, Any]
    stages: Sequence[tuple[StageRecord, StageSummary]]
    problems: Sequence[str]
    saturated_per_s: float | None = None

    @property
    def summaries(self) -> list[StageSummary]:
        """The figures of the stages."""
        return [summary for _, summary in self.stages]


def report(results: Results) -> list[Block]:
    """Return the blocks of a report."""
    blocks: list[Block] = [Heading("Load test", 1), Code(results.header["command"])]
    blocks.append(problem_block(results.problems))
    blocks += stage_blocks(results.stages, saturated_per_s=results.saturated_per_s)
    blocks += [Heading("Limits of these figures"), Bullets(LIMITS)]
    return [*blocks, *setting_blocks(results.header)]


def problem_block(problems: Sequence[str]) -> Block:
    """Name the problems of a run."""
    if not problems:
        return Text("Nothing is wrong.")
    return Bullets([f"**{problem}**" for problem in problems])


def setting_blocks(header: Mapping[str, Any]) -> list[Block]:
    """Show what the figures depend on."""
    setting = {name: value for name, value in header.items() if name != "command"}
    return [Heading("Setting"), Code(json.dumps(setting, indent=1, ensure_ascii=False))]


def stage_blocks(
    pairs: Sequence[tuple[StageRecord, StageSummary]],
    *,
    saturated_per_s: float | None = None,
    level: int = 2,
) -> list[Block]:
    """Return everything about some stages, with headings of a level."""
    stages = [summary for _, summary in pairs]
    blocks: list[Block] = [Heading("Rates", level), _rates(stages), Text(_RATES)]
    if len(stages) > 1 or saturated_per_s is not None:
        blocks.append(Bullets(list(conclusions(stages, saturated_per_s))))
    if len(stages) > 1:
        blocks.append(Charts(sweep_charts(stages, saturated_per_s=saturated_per_s)))
    blocks.append(Heading("Latencies", level))
    for record, summary in pairs:
        blocks += _latencies(record, summary)
    blocks += [Heading("Accounts", level), _accounts(stages), Text(_identity(stages))]
    blocks += [Heading("The generator", level), _self_checks(stages)]
    warnings = [
        f"At {stage.offered_per_s:.1f}/s, {text}."
        for stage in stages
        for text in stage.self_check.problems
    ]
    if warnings:
        blocks.append(Bullets(warnings))
    return [*blocks, Heading("Processor time", level), *_processor_time(stages)]


def conclusions(stages: Sequence[StageSummary], saturated_per_s: float | None) -> Iterator[str]:
    """Say what a sweep found."""
    if saturated_per_s is not None:
        yield f"Saturated, with a backlog: **{saturated_per_s:.1f} jobs/s**."
        most_per_s = max((stage.completed_per_s for stage in stages), default=0.0)
        if most_per_s > saturated_per_s:
            yield (
                f"A later stage completed {most_per_s:.1f} jobs/s: the saturated rate is too low, "
                "because the machine was busy or the stage short."
            )
    best = knee(stages)
    if best is not None:
        yield (
            f"Knee, the greatest throughput by mean latency: **{best.offered_per_s:.1f}/s**, with "
            f"a mean latency of {milliseconds(best.mean_latency_s)} ms."
        )
    if not any(stage.objectives for stage in stages):
        return
    limits = ", ".join(str(each.objective) for each in stages[0].objectives)
    bounded = latency_bounded(stages)
    if bounded is None:
        yield f"Latency-bounded throughput ({limits}): no rate met the objectives."
        return
    share = f", {bounded.offered_per_s / saturated_per_s:.0%} of it" if saturated_per_s else ""
    yield f"Latency-bounded throughput ({limits}): **{bounded.offered_per_s:.1f}/s**{share}."


def milliseconds(seconds: float | None) -> str:
    """Format a latency in ms; - for one that is not known or infinite."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    ms = seconds * 1000
    return f"{ms:,.0f}" if abs(ms) >= 100 else f"{ms:.1f}"


def _rates(stages: Sequence[StageSummary]) -> Table:
    columns = ["offered/s", "sent/s", "completed/s", "goodput/s", "refused"]
    columns += ["p50 ms", "p95 ms", "p99 ms", "p99 below ms", "mean batch", "backlog/s"]
    return Table([*columns, "most open", "drain s"], [_rates_row(stage) for stage in stages])


def _rates_row(stage: StageSummary) -> list[str]:
    found, backlog = stage.latencies["end_to_end"], stage.backlog
    rates = (stage.offered_per_s, stage.sent_per_s, stage.completed_per_s, stage.goodput_per_s)
    return [
        *(f"{rate:.1f}" for rate in rates),
        f"{sum(stage.accounts.refused.values())}",
        *(milliseconds(each.value) for each in found),
        milliseconds(found[-1].upper if found else None),
        f"{stage.mean_batch:.1f}",
        f"{backlog.jobs_per_s:+.2f} ± {backlog.margin_per_s:.2f}" if backlog else "-",
        f"{stage.max_backlog}",
        f"{max(0.0, stage.drain_s):.1f}",
    ]


def _latencies(record: StageRecord, stage: StageSummary) -> Iterator[Block]:
    yield Text(f"At {stage.offered_per_s:.1f}/s, in ms:")
    rows = [
        [name.replace("_", " "), *(milliseconds(each.value) for each in stage.latencies[name])]
        for name in STAGES
        if stage.latencies[name]
    ]
    yield Table(["stage of the path", "p50", "p95", "p99"], rows)
    for result in stage.objectives:
        upper = result.measured.upper if result.measured else None
        verdict = "met" if result.is_met else "**not met**"
        few = f" (a bound needs {least_count(result.objective.share)} arrivals)"
        yield Text(
            f"Objective {result.objective}: {verdict}; below {milliseconds(upper)} ms"
            f"{few if upper is None else ''}."
        )
    if stage.recovery is not None:
        found = stage.recovery
        yield Text(
            f"After the burst, {found.peak_jobs:.0f} jobs were open, and {found.before_jobs:.0f} "
            f"before it. At the {found.saturated_per_s:.1f} jobs/s of the burst, it recovers in "
            f"{_seconds(found.predicted_s)}; it took {_seconds(found.measured_s)}."
        )
    if record.during is not None:
        run = record.during
        yield Text(
            f"From {run.started_s:.1f} s to {run.ended_s:.1f} s, `{run.command}` ran and exited "
            f"with status {run.exit_status}."
        )
    yield Charts(stage_charts(record, stage))


def _seconds(value: float | None) -> str:
    return "no time that was measured" if value is None else f"{value:.1f} s"


def _accounts(stages: Sequence[StageSummary]) -> Table:
    columns = [
        "offered/s",
        "arrivals",
        "unsent",
        "unanswered",
        "refused",
        "accepted",
        "succeeded",
        "failed",
    ]
    columns += ["cancelled", "expired", "open", "lost", "twice", "repeated"]
    rows = []
    for stage in stages:
        counts = stage.accounts
        sent = (counts.arrivals, counts.unsent, counts.unanswered)
        ended = (counts.cancelled, counts.expired, counts.open, counts.lost, counts.twice)
        rows.append(
            [
                f"{stage.offered_per_s:.1f}",
                *map(str, sent),
                _by_code(counts.refused),
                *map(str, (counts.accepted, counts.succeeded)),
                _by_code(counts.failed),
                *map(str, (*ended, counts.repeated)),
            ]
        )
    return Table(columns, rows)


def _identity(stages: Sequence[StageSummary]) -> str:
    holds = all(stage.accounts.balance == 0 for stage in stages)
    identity = "accepted = succeeded + failed + cancelled + expired + open + lost"
    return f"{identity}: {'holds' if holds else '**does not hold**'}."


def _by_code(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {code}" for code, count in sorted(counts.items())) or "0"


def _self_checks(stages: Sequence[StageSummary]) -> Table:
    columns = ["offered/s", "late p50 ms", "late p99 ms", "CPU", "CPU µs a request", "L", "λW"]
    rows = []
    for stage in stages:
        check, little = stage.self_check, stage.self_check.little
        rows.append(
            [
                f"{stage.offered_per_s:.1f}",
                milliseconds(check.pacing_p50_s),
                milliseconds(check.pacing_p99_s),
                f"{check.cpu_share:.0%}",
                f"{check.cpu_per_request_s * 1e6:.0f}",
                f"{little.jobs:.2f}" if little else "-",
                f"{little.rate_per_s * little.time_s:.2f}" if little else "-",
                f"{little.deviation:.1%}" if little else "-",
                f"{check.clock.offset_s * 1000:.1f} ± {check.clock.margin_s * 1000:.1f}",
            ]
        )
    return Table([*columns, "deviation", "clock offset ms"], rows)


def _processor_time(stages: Sequence[StageSummary]) -> Iterator[Block]:
    names = sorted({name for stage in stages for name in stage.processes})
    if not names:
        yield Text("The processes of the service were not started here, so they are not measured.")
        return
    rows = [
        [
            f"{stage.offered_per_s:.1f}",
            *(
                f"{1000 * stage.processes[name] / max(1, stage.accounts.accepted):.2f}"
                for name in names
            ),
            f"{1000 * sum(stage.processes.values()) / max(1, stage.accounts.accepted):.2f}",
        ]
        for stage in stages
    ]
    yield Table(["offered/s", *(f"{name}, ms a job" for name in names), "together"], rows)


_RATES = (
    "Latencies count from the intended time of a request to the time at which the service says "
    "that its job ended. Arrivals without success count as infinite. *p99 below* is the upper "
    "99 % confidence bound. *backlog/s* is the growth of the number of open jobs, with its 95 % "
    "confidence interval."
)
LIMITS = (
    "The generator, and a service on the same machine, compete for its cores.",
    "A bound of a percentile holds for load of this kind, on this machine, at this time.",
    "*submit* counts from the intended time to the answer; *queue wait* to the claim; *prepare* is "
    "fetching, decoding and resizing; *device wait* until the device was free; *device* the whole "
    "batch; *batch wait* what remains of the time in the worker: waiting for other jobs of the "
    "batch.",
)
