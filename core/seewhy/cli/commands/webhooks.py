"""`seewhy webhooks`: signing secrets and failed deliveries."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seewhy.ledger.ports.outbox import Outbox

webhooks = typer.Typer(
    help="Generate a signing secret; list and redeliver failed webhooks.",
    no_args_is_help=True,
)


@webhooks.command()
def secret() -> None:
    """Print a new random secret for SEEWHY_WEBHOOK_SECRETS."""
    from seewhy.webhook_secrets import generate_secret

    typer.echo(generate_secret())


@webhooks.command("list")
def list_undelivered(
    limit: Annotated[int, typer.Option(min=1, help="Maximum number, oldest first.")] = 1000,
) -> None:
    """List the webhooks that were refused or ran out of attempts."""
    from rich.table import Table

    from seewhy.cli.terminal.console import output_console

    table = Table(box=None)
    for title in ("id", "status", "url", "attempts", "last response"):
        table.add_column(title, overflow="fold")
    for record in _open().list_undelivered(limit=limit):
        if hook := record.webhook:
            row = (record.job_id, record.state, hook.url, str(hook.attempts), hook.detail or "")
            table.add_row(*row)
    output_console().print(table)


@webhooks.command()
def redeliver(
    job_ids: Annotated[list[str] | None, typer.Argument(help="Ids of explanations.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Redeliver all webhooks that `list` shows.")
    ] = False,
) -> None:
    """Deliver webhooks again, starting at the first attempt. The webhook id stays the same."""
    if everything == bool(job_ids):
        raise typer.BadParameter("give explanation ids, or --all")
    outbox = _open()
    failed = False
    for job_id in job_ids or [r.job_id for r in outbox.list_undelivered(limit=1_000_000)]:
        scheduled = outbox.redeliver(job_id).scheduled
        message = "scheduled" if scheduled else "has no webhook, or has not finished"
        typer.echo(f"{job_id}: {message}", err=not scheduled)
        failed |= not scheduled
    if failed:
        raise typer.Exit(1)


def _open() -> "Outbox":
    from seewhy.ledger.redis.ledger import open_ledger
    from seewhy.settings import load

    return open_ledger(load()).outbox
