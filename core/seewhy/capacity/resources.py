"""What a load needs besides workers: API, Redis, the object store, the network, and money."""

import math
from dataclasses import dataclass

from seewhy.capacity.formulas import ledger_shards

PUTS_PER_JOB = 5
"""The image, the manifest, the map, the overlay and the result."""
GETS_PER_JOB = 1
"""A worker reads the image. What clients read comes on top."""
API_CPU_S = 0.005
"""Processor time of the API for a submission. docs/capacity.md says how these were measured."""
LEDGER_CPU_S = 0.001
"""Processor time of Redis for a job, from submission to result, with wakeups and events."""
LEDGER_BYTES = 2_000
"""Memory of Redis for a job, open or finished, until its retention ends."""
PUTS_PER_PREFIX = 3_500
"""What S3 states to serve per second under one prefix, before it divides the prefix."""
_UTILIZATION = 0.6
_GB = 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """The sizes of a job and how long its record is kept. `reads` are downloads by clients."""

    image_bytes: float = 100_000
    result_bytes: float = 80_000
    reads: float = 1.0
    retention_s: float = 7 * 86_400
    redis_bytes: float = 4 * _GB


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """Prices in one currency; None is unknown, and left out of the sum."""

    worker_hour: float | None = None
    redis_hour: float | None = None
    million_puts: float | None = None
    million_gets: float | None = None
    gb_out: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """The rate at which one instance of a part is full, in jobs per second."""

    part: str
    rate: float
    remedy: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What a rate needs. `limits` ascend: the first is what breaks first as the load grows."""

    api_cores: float
    redis_servers: int
    redis_by_cpu: int
    redis_by_memory: int
    redis_memory_bytes: float
    puts_per_s: float
    gets_per_s: float
    received_bytes_per_s: float
    stored_bytes_per_s: float
    read_bytes_per_s: float
    limits: tuple[Limit, ...]


def resources_for(rate: float, traffic: Traffic) -> Resources:
    """Return what `rate` jobs per second need besides workers."""
    memory_bytes = rate * traffic.retention_s * LEDGER_BYTES
    by_cpu = ledger_shards(rate, cpu_s=LEDGER_CPU_S, utilization=_UTILIZATION)
    by_memory = max(1, math.ceil(memory_bytes / traffic.redis_bytes - 1e-9))
    return Resources(
        api_cores=rate * API_CPU_S / _UTILIZATION,
        redis_servers=max(by_cpu, by_memory),
        redis_by_cpu=by_cpu,
        redis_by_memory=by_memory,
        redis_memory_bytes=memory_bytes,
        puts_per_s=rate * PUTS_PER_JOB,
        gets_per_s=rate * (GETS_PER_JOB + traffic.reads),
        received_bytes_per_s=rate * traffic.image_bytes,
        stored_bytes_per_s=rate * (traffic.image_bytes + traffic.result_bytes),
        read_bytes_per_s=rate * (traffic.image_bytes + traffic.reads * traffic.result_bytes),
        limits=_limits(traffic),
    )


def cost_per_million(
    rate: float, *, workers: int, traffic: Traffic, prices: Prices
) -> dict[str, float]:
    """Return the cost of a million jobs by part, for the parts whose price is known."""
    hours = 1e6 / rate / 3600
    needs = resources_for(rate, traffic)
    amounts = {
        "workers": (prices.worker_hour, workers * hours),
        "redis": (prices.redis_hour, needs.redis_servers * hours),
        "puts": (prices.million_puts, PUTS_PER_JOB),
        "gets": (prices.million_gets, GETS_PER_JOB + traffic.reads),
        "network": (prices.gb_out, traffic.reads * traffic.result_bytes * 1e6 / _GB),
    }
    return {part: price * amount for part, (price, amount) in amounts.items() if price is not None}


def _limits(traffic: Traffic) -> tuple[Limit, ...]:
    limits = (
        Limit(
            part="memory of Redis",
            rate=traffic.redis_bytes / LEDGER_BYTES / traffic.retention_s,
            remedy="shorten SEEWHY_RETENTION_S, or give Redis more memory",
        ),
        Limit(
            part="processor of Redis",
            rate=_UTILIZATION / LEDGER_CPU_S,
            remedy="run several installations, each with a Redis of its own",
        ),
        Limit(
            part="one core of the API",
            rate=_UTILIZATION / API_CPU_S,
            remedy="run more API processes",
        ),
        Limit(
            part="one prefix of S3",
            rate=PUTS_PER_PREFIX / 3,
            remedy="grow slowly: S3 divides busy prefixes within the hour",
        ),
    )
    return tuple(sorted(limits, key=lambda limit: limit.rate))
