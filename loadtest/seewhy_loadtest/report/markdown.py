"""The report for people, as Markdown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from seewhy_loadtest.measures.percentiles import CONFIDENCE, least_count
from seewhy_loadtest.measures.summary import STAGES, StageSummary


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def milliseconds(seconds: float | None) -> str:
    """Format a latency in ms; - for one that is not known or infinite."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    ms = seconds * 1000
    return f"{ms:,.0f}" if abs(ms) >= 100 else f"{ms:.1f}"


def markdown(
    header: Mapping[str, Any], stages: Sequence[StageSummary], *, problems: Sequence[str]
) -> str:
    """Return the report of all stages."""
    parts = ["# Load test", f"`{header['command']}`"]
    parts.append("\n".join([f"- **{problem}**" for problem in problems] or ["Nothing is wrong."]))
    parts += ["## Rates", rates(stages), _RATES, "## Latencies", *map(_latencies, stages)]
    parts += ["## Accounts", accounts(stages), "## The generator", self_checks(stages)]
    parts += ["## Limits of these figures", _LIMITS, "## Setting", _setting(header)]
    return "\n\n".join(parts) + "\n"


def rates(stages: Sequence[StageSummary]) -> str:
    """Return one row for each stage: rates, end-to-end latency, backlog."""
    columns = [
        "offered/s",
        "sent/s",
        "completed/s",
        "goodput/s",
        "refused",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "p99 below ms",
        "mean batch",
        "backlog/s",
        "most open",
        "drain s",
    ]
    return table(columns, [_rates_row(stage) for stage in stages])


def _rates_row(stage: StageSummary) -> list[str]:
    found = stage.latencies["end_to_end"]
    backlog = stage.backlog
    return [
        f"{stage.offered_per_s:.1f}",
        f"{stage.sent_per_s:.1f}",
        f"{stage.completed_per_s:.1f}",
        f"{stage.goodput_per_s:.1f}",
        f"{sum(stage.accounts.refused.values())}",
        *(milliseconds(each.value) for each in found),
        milliseconds(found[-1].upper if found else None),
        f"{stage.mean_batch:.1f}",
        f"{backlog.jobs_per_s:+.2f} ± {backlog.margin_per_s:.2f}" if backlog else "-",
        f"{stage.max_backlog}",
        f"{max(0.0, stage.drain_s):.1f}",
    ]


def _latencies(stage: StageSummary) -> str:
    rows = [
        [name.replace("_", " "), *(milliseconds(each.value) for each in stage.latencies[name])]
        for name in STAGES
        if stage.latencies[name]
    ]
    lines = [f"At {stage.offered_per_s:.1f}/s, in ms:", table(("", "p50", "p95", "p99"), rows)]
    for result in stage.objectives:
        found = result.measured
        upper = milliseconds(found.upper) if found else "-"
        verdict = "met" if result.is_met else "**not met**"
        needed = least_count(result.objective.share)
        few = found is None or found.upper is None
        why = f" (a bound needs {needed} arrivals)" if few else ""
        lines.append(f"Objective {result.objective}: {verdict}; below {upper} ms{why}.")
    return "\n\n".join(lines)


def accounts(stages: Sequence[StageSummary]) -> str:
    """Return what became of every arrival."""
    columns = [
        "offered/s",
        "arrivals",
        "unsent",
        "unanswered",
        "refused",
        "accepted",
        "succeeded",
        "failed",
        "cancelled",
        "expired",
        "open",
        "lost",
        "twice",
        "repeated",
    ]
    rows = []
    for stage in stages:
        counts = stage.accounts
        rows.append(
            [
                f"{stage.offered_per_s:.1f}",
                *(f"{counts.arrivals}", f"{counts.unsent}", f"{counts.unanswered}"),
                _by_code(counts.refused),
                *(f"{counts.accepted}", f"{counts.succeeded}", _by_code(counts.failed)),
                *(f"{counts.cancelled}", f"{counts.expired}", f"{counts.open}"),
                *(f"{counts.lost}", f"{counts.twice}", f"{counts.repeated}"),
            ]
        )
    identity = "accepted = succeeded + failed + cancelled + expired + open + lost"
    balanced = all(stage.accounts.balance == 0 for stage in stages)
    return f"{table(columns, rows)}\n\n{identity}: {'holds' if balanced else '**does not hold**'}."


def _by_code(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {code}" for code, count in sorted(counts.items())) or "0"


def self_checks(stages: Sequence[StageSummary]) -> str:
    """Return how far the generator can be trusted."""
    columns = [
        "offered/s",
        "late p50 ms",
        "late p99 ms",
        "CPU",
        "CPU µs a request",
        "L",
        "λW",
        "deviation",
        "clock offset ms",
    ]
    rows, warnings = [], []
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
        warnings += [f"- At {stage.offered_per_s:.1f}/s, {text}." for text in check.problems]
    return "\n\n".join([table(columns, rows), *(["\n".join(warnings)] if warnings else [])])


def _setting(header: Mapping[str, Any]) -> str:
    rows = [
        [name, f"`{header[name]}`"]
        for name in ("seewhy", "python", "machine", "options", "service")
    ]
    return table(("", ""), rows)


_RATES = (
    "Latencies count from the intended time of a request to the time at which the service says "
    "that its job ended. Arrivals without success count as infinite. *p99 below* is the upper "
    f"{CONFIDENCE:.0%} confidence bound. *backlog/s* is the growth of the number of open jobs, "
    "with its 95 % confidence interval."
)
_LIMITS = """\
- The generator, and a service on the same machine, compete for its cores.
- A bound of a percentile holds for load of this kind, on this machine, at this time.
- *submit* counts from the intended time to the answer; *queue wait* to the claim; *prepare* is \
fetching, decoding and resizing; *device wait* until the device was free; *device* the whole \
batch; *batch wait* what remains of the time in the worker: waiting for other jobs of the batch."""
