"""`seewhy plan`: how many workers, Redis servers and store requests a load needs, and its cost."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.capacity.quantities import parse_duration_s, parse_rate

if TYPE_CHECKING:
    from seewhy.capacity.planning import Requirement
    from seewhy.capacity.resources import Traffic


def _read_by(parse: Callable[[str], float]) -> Callable[[str | float], float]:
    """Let an option be read by `parse`, and show its messages. A default is a number already."""

    def read(value: str | float) -> float:
        try:
            return parse(value) if isinstance(value, str) else value
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return read


_rate, _duration_s = _read_by(parse_rate), _read_by(parse_duration_s)

RateOption = Annotated[
    float,
    typer.Option(parser=_rate, metavar="RATE", help="Jobs at the peak, such as 500/s or 30M/day."),
]
P95Option = Annotated[
    float,
    typer.Option(
        "--p95",
        parser=_duration_s,
        metavar="DURATION",
        help="The latency that 95 of 100 jobs must stay below, such as 2s.",
    ),
]
GpuOption = Annotated[
    float,
    typer.Option(min=0, help="Device time of one more image of a batch, in seconds."),
]
BatchOption = Annotated[
    float, typer.Option(min=0, help="Device time that a batch takes besides, in seconds.")
]
MaxBatchOption = Annotated[
    int, typer.Option(min=1, max=32, help="Images in a batch (SEEWHY_MAX_BATCH).")
]
UtilizationOption = Annotated[
    float, typer.Option(help="How busy workers may be at the peak, between 0 and 1.")
]
BurstinessOption = Annotated[
    float,
    typer.Option(
        min=0.1,
        max=10,
        help="Coefficient of variation of the gaps between jobs; 1 for independent clients.",
    ),
]
SurgeOption = Annotated[
    float | None,
    typer.Option(
        parser=_rate, metavar="RATE", help="A higher rate that comes at once, such as 1500/s."
    ),
]
ColdStartOption = Annotated[
    float,
    typer.Option(
        parser=_duration_s,
        metavar="DURATION",
        show_default="60s",
        help="How long until new workers are ready for the surge.",
    ),
]
StoreOption = Annotated[
    float,
    typer.Option(
        parser=_duration_s,
        metavar="DURATION",
        show_default="20ms",
        help="How long a request to the object store takes.",
    ),
]
CoresOption = Annotated[
    int, typer.Option(min=1, help="Cores that a worker can use besides its device.")
]
ThreadsOption = Annotated[
    int,
    typer.Option(min=1, help="Batches that a worker has in progress (SEEWHY_WORKER_CONCURRENCY)."),
]
ImageOption = Annotated[float, typer.Option(min=0, help="Size of an image, in kB.")]
ResultOption = Annotated[
    float, typer.Option(min=0, help="Size of what a job writes in kB: map, overlay, numbers.")
]
ReadsOption = Annotated[float, typer.Option(min=0, help="Downloads of each result.")]
RetentionOption = Annotated[
    float,
    typer.Option(
        parser=_duration_s,
        metavar="DURATION",
        show_default="7d",
        help="How long jobs are kept after their end (SEEWHY_RETENTION_S).",
    ),
]
RedisOption = Annotated[float, typer.Option(min=0.1, help="Memory of a Redis server, in GB.")]
WorkerPriceOption = Annotated[
    float | None, typer.Option(min=0, help="Price of a worker with its device for an hour.")
]
RedisPriceOption = Annotated[
    float | None, typer.Option(min=0, help="Price of a Redis server for an hour.")
]
PutsPriceOption = Annotated[
    float | None, typer.Option(min=0, help="Price of a million writes to the store.")
]
GetsPriceOption = Annotated[
    float | None, typer.Option(min=0, help="Price of a million reads from the store.")
]
OutPriceOption = Annotated[
    float | None, typer.Option(min=0, help="Price of a gigabyte sent to clients.")
]
SensitivityOption = Annotated[
    bool, typer.Option("--sensitivity", help="Show what the plan depends on.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")]


def plan(
    rate: RateOption,
    p95: P95Option,
    gpu_seconds: GpuOption,
    batch_seconds: BatchOption = 0.0,
    max_batch: MaxBatchOption = 8,
    utilization: UtilizationOption = 0.7,
    burstiness: BurstinessOption = 1.0,
    surge: SurgeOption = None,
    cold_start: ColdStartOption = 60.0,
    store_latency: StoreOption = 0.02,
    worker_cores: CoresOption = 2,
    threads: ThreadsOption = 3,
    image_kb: ImageOption = 100.0,
    result_kb: ResultOption = 80.0,
    reads: ReadsOption = 1.0,
    retention: RetentionOption = 7 * 86_400.0,
    redis_gb: RedisOption = 4.0,
    price_worker_hour: WorkerPriceOption = None,
    price_redis_hour: RedisPriceOption = None,
    price_million_puts: PutsPriceOption = None,
    price_million_gets: GetsPriceOption = None,
    price_gb_out: OutPriceOption = None,
    sensitivity: SensitivityOption = False,
    json: JsonOption = False,
) -> None:
    """Plan capacity: workers, Redis, store requests, cost. Nothing is started or connected to."""
    from seewhy.capacity.planning import Requirement, Surge
    from seewhy.capacity.profiles import DeviceProfile
    from seewhy.capacity.resources import Prices

    prices = Prices(
        worker_hour=price_worker_hour,
        redis_hour=price_redis_hour,
        million_puts=price_million_puts,
        million_gets=price_million_gets,
        gb_out=price_gb_out,
    )
    try:
        requirement = Requirement(
            rate=rate,
            p95_s=p95,
            device=DeviceProfile(
                overhead_s=batch_seconds, image_s=gpu_seconds, max_batch=max_batch
            ),
            utilization=utilization,
            variation=burstiness,
            store_s=store_latency,
            worker_cores=worker_cores,
            threads=threads,
            surge=Surge(rate=surge, cold_start_s=cold_start) if surge else None,
            traffic=_traffic(image_kb, result_kb, reads, retention, redis_gb),
            prices=prices,
        )
        _print_plan(requirement, sensitivity=sensitivity, as_json=json)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _traffic(
    image_kb: float, result_kb: float, reads: float, retention_s: float, redis_gb: float
) -> "Traffic":
    from seewhy.capacity.resources import Traffic

    return Traffic(
        image_bytes=image_kb * 1000,
        result_bytes=result_kb * 1000,
        reads=reads,
        retention_s=retention_s,
        redis_bytes=redis_gb * 1e9,
    )


def _print_plan(requirement: "Requirement", *, sensitivity: bool, as_json: bool) -> None:
    from seewhy.capacity import planning
    from seewhy.cli.terminal.console import output_console
    from seewhy.cli.terminal.plan_text import plan_json, plan_tables

    made = planning.plan(requirement)
    changed = planning.try_variants(requirement) if sensitivity else {}
    if as_json:
        typer.echo(plan_json(made, changed))
        return
    for table in plan_tables(requirement, made, changed):
        output_console().print(table)
