"""`seewhy status`: what is wrong with the service."""

from typing import Annotated

import typer

from seewhy.cli.terminal.arguments import DataOption

WHEN = {"page": "now", "ticket": "in working hours"}


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line.")] = False,
    data: DataOption = None,
) -> None:
    """Say what is wrong with the service, and what to do first.

    Exits with status 1 while something needs a person now. With --json, prints all that
    `GET /v1/status` shows.
    """
    from seewhy.cli.terminal.operator_settings import operator_settings
    from seewhy.ledger.redis.ledger import open_ledger
    from seewhy.monitoring.status_reader import StatusReader
    from seewhy.storage.obstore_adapter import open_store

    settings = operator_settings(data)
    reader = StatusReader(
        ledger=open_ledger(settings), store=open_store(settings), lease_s=settings.lease_s
    )
    shown = reader.read(shows_hosts=True)
    if as_json:
        typer.echo(shown.model_dump_json())
    elif not shown.alerts:
        typer.echo("Nothing is wrong.")
    else:
        for alert in shown.alerts:
            typer.echo(f"{WHEN[alert.severity]}: {alert.message}")
            typer.echo(f"  {alert.remedy} ({alert.runbook})")
    if any(alert.severity == "page" for alert in shown.alerts):
        raise typer.Exit(1)
