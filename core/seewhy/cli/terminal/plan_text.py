"""A plan as tables for people, and as JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from rich.table import Table

from seewhy.capacity.planning import Plan, Requirement
from seewhy.capacity.resources import Resources

_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def plan_json(made: Plan, changed: Mapping[str, Plan | str]) -> str:
    """Return the plan, and those for changed inputs, as JSON. Times in s, sizes in bytes."""
    document = asdict(made)
    if changed:
        document["sensitivity"] = {
            name: one if isinstance(one, str) else asdict(one) for name, one in changed.items()
        }
    return json.dumps(document, indent=2)


def plan_tables(
    requirement: Requirement, made: Plan, changed: Mapping[str, Plan | str]
) -> Iterator[Table]:
    """Yield the tables of a plan: what it needs, what breaks first, what it depends on."""
    table = Table("", "", box=None, show_header=False)
    for name, text in (
        *_workers(requirement, made),
        *_rest(made.resources),
        *_costs(made),
        *_surge(made),
    ):
        table.add_row(name, text)
    yield table
    limits = Table("one of", "is full at", "then", box=None)
    for limit in made.resources.limits:
        reached = " (below the rate)" if limit.rate < requirement.rate else ""
        limits.add_row(limit.part, f"{_number(limit.rate)} jobs/s{reached}", limit.remedy)
    yield limits
    if changed:
        yield _sensitivity(made, changed)


def _workers(requirement: Requirement, made: Plan) -> Iterator[tuple[str, str]]:
    more = made.workers - made.by_utilization
    why = f", {more} of them for the latency" if more else ""
    yield "workers", f"{made.workers:,}{why}; {made.utilization:.0%} busy"
    limits = requirement.worker_limits
    slowest = min(limits, key=lambda part: limits[part])
    yield "of each", f"{_number(made.worker_rate)} images/s, limited by its {slowest}"
    yield (
        "latency",
        f"p50 {_seconds(made.p50_s)}, p95 {_seconds(made.p95_s)}, p99 {_seconds(made.p99_s)} "
        "(simulated)",
    )
    yield "batches", f"{made.mean_batch:.1f} images on average (simulated)"
    yield "open jobs", f"{_number(made.open_jobs)} on average"


def _rest(needs: Resources) -> Iterator[tuple[str, str]]:
    yield "API", f"{_number(needs.api_cores)} cores"
    servers = "server" if needs.redis_servers == 1 else "servers"
    yield (
        "Redis",
        f"{needs.redis_servers:,} {servers}: {needs.redis_by_cpu:,} by processor, "
        f"{needs.redis_by_memory:,} by memory ({_bytes(needs.redis_memory_bytes)})",
    )
    yield (
        "object store",
        f"{_number(needs.puts_per_s)} writes/s, {_number(needs.gets_per_s)} reads/s",
    )
    yield (
        "network",
        f"{_bytes(needs.received_bytes_per_s)}/s from clients, "
        f"{_bytes(needs.stored_bytes_per_s)}/s into the store, "
        f"{_bytes(needs.read_bytes_per_s)}/s out of it",
    )


def _costs(made: Plan) -> Iterator[tuple[str, str]]:
    if not made.cost_per_million:
        yield "cost", "unknown: give prices, such as --price-worker-hour 2.5"
        return
    total = sum(made.cost_per_million.values())
    parts = ", ".join(f"{part} {cost:.2f}" for part, cost in made.cost_per_million.items())
    yield "cost", f"{total:.2f} per million jobs ({parts})"


def _surge(made: Plan) -> Iterator[tuple[str, str]]:
    if surge := made.surge:
        yield (
            "surge",
            f"{_number(surge.backlog)} jobs wait when new workers are ready; with "
            f"{surge.workers_after:,} workers they are done {_seconds(surge.drain_s)} later",
        )
        yield "without scaling", f"{surge.workers_without_scaling:,} workers keep the latency"


def _sensitivity(made: Plan, changed: Mapping[str, Plan | str]) -> Table:
    table = Table("if", "workers", "p95", "backlog of the surge", box=None)
    for name, one in {"as given": made, **changed}.items():
        if isinstance(one, str):
            table.add_row(name, "-", one, "-")
        else:
            backlog = _number(one.surge.backlog) if one.surge else "-"
            table.add_row(name, f"{one.workers:,}", _seconds(one.p95_s), backlog)
    return table


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _bytes(value: float) -> str:
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} bytes"
