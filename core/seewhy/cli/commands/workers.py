"""`seewhy workers`: list the running workers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.terminal.arguments import DataOption

if TYPE_CHECKING:
    from seewhy.monitoring.worker_list import Worker

_TITLES = (
    "models",
    "on demand",
    "device",
    "engine",
    "batch",
    "images/s",
    "jobs",
    "version",
    "seen",
)


def workers(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line.")] = False,
    data: DataOption = None,
) -> None:
    """List the running workers: models, device, pace, jobs, version and last sign of life (UTC).

    A worker reports three times per lease (`SEEWHY_LEASE_S`). A killed one is listed for a lease.
    """
    import json

    from rich.table import Table

    from seewhy.cli.terminal.console import output_console
    from seewhy.cli.terminal.operator_settings import operator_settings
    from seewhy.ledger.redis.ledger import open_ledger
    from seewhy.monitoring.worker_list import worker_list

    listed = worker_list(open_ledger(operator_settings(data)).workers.list_workers())
    if as_json:
        typer.echo(json.dumps([worker.model_dump(mode="json") for worker in listed]))
        return
    table = Table(box=None)
    table.add_column("id", no_wrap=True)
    for title in _TITLES:
        table.add_column(title, overflow="fold")
    for worker in listed:
        batches = (f"{model} {most}" for model, most in worker.max_batch.items())
        pace = (f"{model} {pace:.3g}" for model, pace in worker.images_per_s.items())
        table.add_row(
            worker.id,
            ", ".join(worker.models),
            ", ".join(_on_demand(worker)),
            f"{worker.device}, {worker.pinned_to}" if worker.pinned_to else worker.device,
            worker.engine,
            ", ".join(batches),
            ", ".join(pace),
            str(worker.jobs),
            worker.version,
            f"{worker.seen_at:%Y-%m-%d %H:%M:%S}",
        )
    output_console().print(table)


def _on_demand(worker: "Worker") -> Iterator[str]:
    """Name the models that a worker loads on demand, and what keeps it from that."""
    waiting = {*worker.on_demand, *worker.failed_loads} - {worker.loading}
    if worker.loading:
        yield f"{worker.loading} (loading)"
    for model in sorted(waiting):
        reason = worker.failed_loads.get(model)
        yield f"{model} (failed: {reason})" if reason else model
