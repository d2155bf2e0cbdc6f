"""`seewhy queues`: list the queues of open jobs."""

from typing import Annotated

import typer

from seewhy.cli.terminal.arguments import DataOption


def queues(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line.")] = False,
    data: DataOption = None,
) -> None:
    """List the queues with open jobs: how many wait, how long, and the seconds of device time.

    Also prints how many failed jobs and undelivered webhooks wait for a person.
    """
    from rich.table import Table

    from seewhy.cli.terminal.console import output_console
    from seewhy.cli.terminal.operator_settings import operator_settings
    from seewhy.ledger.redis.ledger import open_ledger
    from seewhy.monitoring.queue_list import Queues

    ledger = open_ledger(operator_settings(data))
    shown = Queues.of(ledger.status(), ledger.workers.list_workers())
    if as_json:
        typer.echo(shown.model_dump_json())
        return
    table = Table(box=None)
    table.add_column("model", overflow="fold")
    for title in ("priority", "waiting", "oldest", "running", "device time", "workers"):
        table.add_column(title)
    for queue in shown.queues:
        table.add_row(
            queue.model,
            f"{queue.priority}, long" if queue.long else queue.priority,
            f"{queue.waiting:,}",
            f"{queue.oldest_waiting_s:,.0f} s",
            f"{queue.running:,}",
            f"{queue.backlog_device_s:,.1f} s",
            str(queue.workers),
        )
    console = output_console()
    console.print(table)
    console.print(f"failed jobs: {shown.dead_letters:,}; undelivered: {shown.undelivered:,}")
