"""`seewhy rebuild`."""

from typing import Annotated

import typer


def rebuild(
    hours: Annotated[
        int | None,
        typer.Option(min=1, help="How far back to look. Default: as long as jobs are kept."),
    ] = None,
) -> None:
    """Restore jobs that Redis lost from the object store. Safe to run at any time."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from seewhy.cli.terminal.console import error_console, output_console
    from seewhy.jobs.rebuild import Rebuilder, RebuildProgress
    from seewhy.ledger.redis.ledger import open_ledger
    from seewhy.settings import load
    from seewhy.storage.obstore_adapter import open_store

    settings = load()
    rebuilder = Rebuilder(
        ledger=open_ledger(settings),
        store=open_store(settings),
        retention_s=settings.retention_s,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    done = RebuildProgress(hours=0)
    with Progress(*columns, console=error_console(), transient=True) as bar:
        task = bar.add_task("reading manifests")
        for done in rebuilder.rebuild(hours=hours):
            text = f"{done.seen} manifests, {done.restored.total()} restored"
            bar.update(task, description=text, completed=done.hours_done, total=done.hours)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(done.restored.items()))
    output_console().print(f"{done.seen} manifests read, {done.unreadable} unreadable")
    output_console().print(f"{done.restored.total()} jobs restored{': ' if counts else ''}{counts}")
