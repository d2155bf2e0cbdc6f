"""The command `seewhy`. Each command's file imports what it needs when it runs."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from seewhy.cli.api import api
from seewhy.cli.bucket import bucket
from seewhy.cli.courier import courier
from seewhy.cli.dead import dead
from seewhy.cli.explain import explain
from seewhy.cli.fit import fit
from seewhy.cli.models import models
from seewhy.cli.rebuild import rebuild
from seewhy.cli.trust import trust
from seewhy.cli.up import up
from seewhy.cli.webhooks import webhooks
from seewhy.cli.worker import worker
from seewhy.errors import SeewhyError

app = typer.Typer(
    name="seewhy",
    help="Why did the model say that? Grad-CAM explanations of image classifiers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (up, explain, trust, fit, api, worker, courier, bucket, rebuild):
    app.command()(command)
app.add_typer(models, name="models")
app.add_typer(dead, name="dead")
app.add_typer(webhooks, name="webhooks")


def _show_version(wanted: bool) -> None:
    if wanted:
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
    """Run the command line; a mistake is one sentence and status 1."""
    try:
        app()
    except SeewhyError as error:
        typer.echo(f"seewhy: {error}", err=True)
        sys.exit(1)
