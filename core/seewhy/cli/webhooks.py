"""`seewhy webhooks`: what an operator does about webhooks."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seewhy.ledger.ports.outbox import Outbox

webhooks = typer.Typer(
    help="Make the secret that webhooks are signed with; tell outcomes again.",
    no_args_is_help=True,
)


@webhooks.command()
def secret() -> None:
    """Print a fresh secret for SEEWHY_WEBHOOK_SECRETS."""
    from seewhy.schemas.webhook_secrets import generate_secret

    typer.echo(generate_secret())


@webhooks.command("list")
def show_all(
    limit: Annotated[int, typer.Option(min=1, help="How many, the oldest first.")] = 1000,
) -> None:
    """List the outcomes whose webhook was given up."""
    from rich.table import Table

    from seewhy.cli.console import results

    table = Table(box=None)
    for title in ("id", "status", "url", "attempts", "last heard"):
        table.add_column(title, overflow="fold")
    for record in _open().list_undelivered(limit=limit):
        if hook := record.webhook:
            row = (record.job_id, record.state, hook.url, str(hook.attempts), hook.detail or "")
            table.add_row(*row)
    results().print(table)


@webhooks.command()
def redeliver(
    job_ids: Annotated[list[str] | None, typer.Argument(help="The jobs' ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that was given up.")] = False,
) -> None:
    """Tell outcomes again, from the first attempt, under the id that they had."""
    if everything == bool(job_ids):
        raise typer.BadParameter("name the jobs, or --all")
    outbox = _open()
    failed = False
    for job_id in job_ids or [r.job_id for r in outbox.list_undelivered(limit=1_000_000)]:
        told = outbox.redeliver(job_id)
        typer.echo(f"{job_id}: {'due now' if told else 'no webhook, or no outcome'}", err=not told)
        failed |= not told
    if failed:
        raise typer.Exit(1)


def _open() -> "Outbox":
    from seewhy.ledger.redis.ledger import open_ledger
    from seewhy.settings import load

    return open_ledger(load()).outbox
