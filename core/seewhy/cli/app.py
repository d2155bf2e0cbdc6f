"""The application `seewhy`. Commands import their dependencies when they run: help stays quick."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from seewhy.cli.commands.agreement import agreement
from seewhy.cli.commands.bucket import bucket
from seewhy.cli.commands.dead import dead
from seewhy.cli.commands.explain import explain
from seewhy.cli.commands.export import export
from seewhy.cli.commands.fit import fit
from seewhy.cli.commands.keys import keys
from seewhy.cli.commands.listing import list_explanations
from seewhy.cli.commands.load import load
from seewhy.cli.commands.models import models
from seewhy.cli.commands.plan import plan
from seewhy.cli.commands.processes import api, dispatcher, worker
from seewhy.cli.commands.queues import queues
from seewhy.cli.commands.rebuild import rebuild
from seewhy.cli.commands.status import status
from seewhy.cli.commands.trust import trust
from seewhy.cli.commands.up import up
from seewhy.cli.commands.webhooks import webhooks
from seewhy.cli.commands.workers import workers
from seewhy.errors import SeewhyError

app = typer.Typer(
    name="seewhy",
    help="Why did the model say that? Grad-CAM explanations of image classifiers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    up,
    explain,
    trust,
    export,
    agreement,
    fit,
    load,
    api,
    worker,
    dispatcher,
    status,
    queues,
    workers,
    bucket,
    rebuild,
    plan,
):
    app.command()(command)
app.command("list")(list_explanations)
app.add_typer(models, name="models")
app.add_typer(keys, name="keys")
app.add_typer(dead, name="dead")
app.add_typer(webhooks, name="webhooks")


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"seewhy {version('seewhy')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line. A `SeewhyError` prints its message and exits with status 1."""
    try:
        app()
    except SeewhyError as error:
        typer.echo(f"seewhy: {error}", err=True)
        sys.exit(1)
