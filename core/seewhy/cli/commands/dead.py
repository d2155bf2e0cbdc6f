"""`seewhy dead`: list, show, retry and purge failed jobs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.cli.terminal.arguments import DataOption

if TYPE_CHECKING:
    from seewhy.jobs.dead_letters import DeadLetters
    from seewhy.ledger.ports.dead_letters import DeadLetterLedger

dead = typer.Typer(help="List, inspect, retry and remove failed jobs.")


@dead.command("list")
def list_failed_jobs(
    limit: Annotated[int, typer.Option(min=1, help="Maximum number, oldest first.")] = 1000,
    data: DataOption = None,
) -> None:
    """List the failed jobs that were neither retried nor purged."""
    from rich.table import Table

    from seewhy.cli.terminal.console import output_console

    table = Table(box=None)
    for title in ("id", "failed at (UTC)", "lane", "attempts", "error"):
        table.add_column(title, overflow="fold")
    for record in _open(data)[0].list_dead_letters(limit=limit):
        failed_at = datetime.fromtimestamp((record.finished_ms or 0) / 1000, UTC)
        table.add_row(
            record.job_id,
            f"{failed_at:%Y-%m-%d %H:%M:%S}",
            record.lane,
            str(record.attempts),
            f"{record.error_code}: {record.error_detail}",
        )
    output_console().print(table)


@dead.command()
def show(
    job_id: Annotated[str, typer.Argument(help="The job's id.")], data: DataOption = None
) -> None:
    """Print the whole record of one job as JSON."""
    import json
    from dataclasses import asdict

    from seewhy.errors import UnknownExplanation

    record = _open(data)[0].read(job_id)
    if record is None:
        raise UnknownExplanation(f"there is no job {job_id}")
    typer.echo(json.dumps({**asdict(record), "job": json.loads(record.job)}, indent=2))


@dead.command()
def retry(
    job_ids: Annotated[list[str] | None, typer.Argument(help="Ids of failed jobs.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Retry all failed jobs.")] = False,
    data: DataOption = None,
) -> None:
    """Run failed jobs again. Each becomes a new job whose manifest has `retry_of`."""
    from seewhy.errors import SeewhyError, Unavailable

    if everything == bool(job_ids):
        raise typer.BadParameter("give job ids, or --all")
    ledger, dead_letters = _open(data)
    failed = False
    for job_id in job_ids or [
        record.job_id for record in ledger.list_dead_letters(limit=1_000_000)
    ]:
        try:
            typer.echo(f"{job_id}: retried as {dead_letters.retry(job_id)}")
        except Unavailable:
            raise
        except SeewhyError as error:
            typer.echo(str(error), err=True)
            failed = True
    if failed:
        raise typer.Exit(1)


@dead.command()
def purge(
    older_than: Annotated[
        float | None,
        typer.Option(min=0, help="Remove jobs that failed more than this many hours ago."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove all failed jobs.")] = False,
    data: DataOption = None,
) -> None:
    """Remove failed jobs from the list. Their records stay until their retention ends."""
    if everything == (older_than is not None):
        raise typer.BadParameter("give --older-than HOURS, or --all")
    before = datetime.now(UTC) - timedelta(hours=-1 if older_than is None else older_than)
    count = _open(data)[1].purge(before_ms=round(before.timestamp() * 1000))
    typer.echo(f"{count} removed")


def _open(data: Path | None) -> "tuple[DeadLetterLedger, DeadLetters]":
    from seewhy.broker.wakeups import WakeupPublisher, create_celery
    from seewhy.catalog.catalog import Catalog
    from seewhy.cli.terminal.operator_settings import operator_settings
    from seewhy.jobs.dead_letters import DeadLetters
    from seewhy.jobs.submission import JobSubmitter
    from seewhy.ledger.redis.ledger import open_ledger
    from seewhy.ledger.types import lanes_of
    from seewhy.storage.obstore_adapter import open_store

    settings = operator_settings(data)
    ledger, store = open_ledger(settings), open_store(settings)
    lanes = [lane for name in Catalog.load(settings).names() for lane in lanes_of(name)]
    wakeups = WakeupPublisher(create_celery(settings.redis_url, lanes=lanes))
    submitter = JobSubmitter(ledger=ledger, store=store, wakeups=wakeups)
    return ledger, DeadLetters(ledger=ledger, store=store, submitter=submitter)
